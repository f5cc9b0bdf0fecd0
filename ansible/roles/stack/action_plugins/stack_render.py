"""Make a release on the controller: settings and secrets of the environment, images, the files that Swarm reads.

stack_render: {folder, settings, application, options, name, registry, login, inventory}. The result names the release, its
images and services; the files are below FOLDER/rendered, the content of secrets among them (0600). The images bear the names
that the hosts get them by; with a registry they are pushed. In check mode nothing is written, built or pushed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "compose"))

from stack import certificates, compose, images, registry, render, secrets, settings, ship, stores
from stack.console import Failure, Lines, detail
from stack.paths import Deployment

SECRET = re.compile(r"(?i)(password|passwd|secret|token|(api|private)_?key|credential)")
"""Names of variables that mostly hold secrets."""


class ActionModule(ActionBase):
    """One release."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """Render, and return what was made."""
        result = super().run(tmp, task_vars)
        arguments = self._task.args
        folder = Path(arguments["folder"])
        try:
            with (
                contextlib.redirect_stdout(Lines(Display().display)),
                place(folder, check=self._task.check_mode) as deployment,
            ):
                release = self._make(deployment, arguments)
                if not self._task.check_mode:
                    save(release, folder / "rendered")
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        made = {"release": release.name, "images": release.images, "files": sorted(release.files)}
        made["networks"] = release.networks
        made["services"] = sorted(json.loads(release.files["stack.json"])["services"])
        objects = [{**each, "content": ""} for each in release.objects]
        return {**result, "changed": False, **made, "objects": objects, "folder": str(folder / "rendered")}

    def _make(self, deployment: Deployment, arguments: dict) -> render.Release:
        compose.replace(deployment.settings, lines(arguments["settings"], "stack_settings"))
        compose.replace(deployment.application, lines(arguments["application"], "stack_app_env"))
        for name in plain(arguments["application"], Path(arguments["inventory"])):
            Display().warning(
                f"stack_app_env.{name} looks like a secret and is in plain text in the inventory: encrypt it with ansible-vault"
            )
        chosen = settings.load(deployment.settings, "stack_settings")
        for line in secrets.notes(deployment, secrets.make(deployment), acl=False):
            detail(line)
        stores.check(deployment, chosen)
        # What is wrong with given files is told before anything is built.
        certificates.make(deployment, chosen)
        if not chosen["APP_WORKER_CHANNELS"]:
            chosen["WORKER_REPLICAS"] = "0"
        names = images.make(chosen, build_missing=not self._task.check_mode)
        names |= {name: chosen[name] for name in render.GIVEN if chosen.get(name)}
        names = carried(names, arguments["registry"], Path(arguments["login"]), check=self._task.check_mode)
        return render.render(
            deployment, chosen, names, render.Options(**arguments["options"]), arguments["name"]
        )


def carried(names: dict[str, str], address: str, login: Path, *, check: bool) -> dict[str, str]:
    """The images NAMES under the names that the hosts get them by: over SSH, or from the registry at ADDRESS."""
    if not address:
        return ship.named(names) if check else ship.tag(names)
    return registry.named(names, address, login) if check else registry.push(names, address, login)


@contextlib.contextmanager
def place(folder: Path, *, check: bool):
    """The deployment in FOLDER, or for a CHECK run in a copy that is removed."""
    if not check:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        yield Deployment(folder)
        return
    with tempfile.TemporaryDirectory(prefix="channels-stack-") as copy:
        target = Path(copy) / "environment"
        if folder.exists():
            shutil.copytree(folder, target)
        else:
            target.mkdir()
        yield Deployment(target)


def plain(values: dict, inventory: Path) -> list[str]:
    """Names of VALUES that look like secrets and whose text some file of the INVENTORY holds unencrypted."""
    suspects = {name: str(value) for name, value in values.items() if SECRET.search(name) and str(value)}
    folder = inventory if inventory.is_dir() else inventory.parent
    texts = (
        [path.read_text(errors="replace") for path in folder.rglob("*.y*ml") if path.is_file()]
        if suspects
        else []
    )
    return sorted(name for name, value in suspects.items() if any(value in text for text in texts))


def lines(values: dict, name: str) -> str:
    """VALUES as NAME=value lines, as Compose's env files take them."""
    found = []
    for key, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if "\n" in text or "'" in text:
            raise Failure(
                f"{name}.{key} holds a line break or a quote ('), which no env file can carry; a file or secret can"
            )
        found.append(f"{key}={compose.quoted(text)}\n")
    return "".join(found)


def save(release: render.Release, folder: Path) -> None:
    """Write the files of RELEASE, and nothing else, to FOLDER."""
    write(folder, {**release.files, "objects.json": json.dumps(release.objects)})


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write TEXTS, file by file, and nothing else to FOLDER, for this user's eyes only."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
