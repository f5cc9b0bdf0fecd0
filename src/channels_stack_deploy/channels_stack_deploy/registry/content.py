"""What a registry holds, and what of it no release needs: asked and deleted over its API (https://distribution.github.io/distribution/spec/api/)."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterable
from pathlib import Path

from ..console import Failure

MANIFESTS = ", ".join(
    [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    ]
)
"""Without these it would answer with another form of the manifest, whose digest is another one."""

MOST = 1000
"""Repositories to ask for: the stack has less than ten."""

TIMEOUT_SECONDS = 30


class Content:
    """The registry that is reached at PLACE (ADDRESS:PORT), with the LOGIN (USER:PASSWORD), by a certificate of AUTHORITY."""

    def __init__(self, place: str, login: str, authority: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        # The certificate is for its address; every client has come through SSH.
        context.check_hostname = False
        self.connection = http.client.HTTPSConnection(place, timeout=TIMEOUT_SECONDS, context=context)
        self.headers = {
            "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
            "Accept": MANIFESTS,
        }

    def ask(self, method: str, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        """One request; 404 is an answer, any other error a Failure."""
        self.connection.request(method, f"/v2/{path}", headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status >= 400 and answer.status != 404:
            raise Failure(f"the registry answers {answer.status} to {method} {path}")
        return answer, body

    def images(self) -> set[str]:
        """REPOSITORY@DIGEST of all that has a tag."""
        images = set()
        _, body = self.ask("GET", f"_catalog?n={MOST}")
        for repository in json.loads(body)["repositories"]:
            answer, body = self.ask("GET", f"{repository}/tags/list")
            # A repository from which everything was deleted stays in the list.
            for tag in (json.loads(body)["tags"] or []) if answer.status == 200 else []:
                answer, _ = self.ask("HEAD", f"{repository}/manifests/{tag}")
                if answer.status == 200:
                    images.add(f"{repository}@{answer.headers['Docker-Content-Digest']}")
        return images

    def delete(self, image: str) -> bool:
        """Delete the manifest of REPOSITORY@DIGEST; whether it was there."""
        repository, _, digest = image.partition("@")
        return self.ask("DELETE", f"{repository}/manifests/{digest}")[0].status == 202


def forget(content: Content, needed: Iterable[str], old: Iterable[str]) -> list[str]:
    """Delete what has a tag and is not NEEDED, and of OLD what has none any more; both REPOSITORY@DIGEST. Returns what is gone.

    What a run has pushed that was killed, or whose release failed, is in no release's list.
    """
    surplus = (content.images() | set(old)) - set(needed)
    return [image for image in sorted(surplus) if content.delete(image)]


def here(names: Iterable[str], registry: str) -> list[str]:
    """Of the images NAMES of releases, those of REGISTRY by digest, without its name."""
    return [
        name.removeprefix(f"{registry}/") for name in names if name.startswith(f"{registry}/") and "@" in name
    ]
