"""`channels-stack compare pages NEW OLD`: what servers of a new release answer, compared with what those that serve answer.

It runs once, in the network of the edge, while tasks of the new release run alongside the old ones and get no traffic: pages
that the old ones answer well, found from `path` on by their links, are asked of both. What both do while visitors reach them is
compared by traffic.py.

A page that is gone on purpose, a redirect or a login in its place are a change of the application. A page that fails with 5xx
where the old release answers, or a site of which nothing is left, are not.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

TIMEOUT_SECONDS = 10
MOST_PAGES = 15


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if tag == "a" and name == "href" and value]


def pages(new: str, old: str, port: int, host: str, path: str) -> list[str]:
    """What is wrong with the pages of NEW, a line each; names of the name service. HOST is the site's."""
    waiting, seen, compared, left = [path], {path}, 0, 0
    problems = []
    while waiting and compared < MOST_PAGES:
        target = waiting.pop(0)
        expected, links = _ask(old, port, host, target)
        if not 0 < expected < 400:
            continue
        status, _ = _ask(new, port, host, target)
        compared += 1
        left += 0 < status < 400
        if status >= 500 or not status:
            problems.append(f"{target}: {status or 'no answer'}, {old} answers {expected}")
        for each in links:
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    if compared and not left and not problems:
        problems.append(
            f"none of the {compared} pages that {old} answers is there any more ({path}: {status})"
        )
    print(f"compared {compared} pages of {new} and {old}", flush=True)
    return problems


def _ask(name: str, port: int, host: str, target: str) -> tuple[int, list[str]]:
    """Status of one page, 0 where nothing came, and the paths of the same site that it leads to."""
    connection = http.client.HTTPConnection(name, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            "GET", target, headers={"Host": host, "X-Forwarded-Proto": "https", "Accept": "text/html"}
        )
        answer = connection.getresponse()
        body = answer.read(2_000_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return 0, []
    finally:
        connection.close()
    reader = _Links()
    if "html" in (answer.getheader("Content-Type") or ""):
        reader.feed(body)
    location = answer.getheader("Location")
    return answer.status, list(_paths([*reader.found, *([location] if location else [])], host, target))


def _paths(links: Iterable[str], host: str, target: str) -> Iterable[str]:
    for link in links:
        try:
            parts = urlsplit(urljoin(f"https://{host}{target}", link))
        except ValueError:
            continue
        # What a link does with GET is safe by RFC 9110, but for those that sign out all the same.
        if parts.scheme in ("http", "https") and parts.netloc == host and "logout" not in parts.path:
            yield parts.path + (f"?{parts.query}" if parts.query else "")


def main(new: str, old: str, port: int, host: str, path: str) -> int:
    """0 where the new release answers as well as the old one, 1 with a line for each page that it does not."""
    problems = pages(new, old, port, host, path)
    for line in problems:
        print(f"pages: {line}", file=sys.stderr)
    return 1 if problems else 0
