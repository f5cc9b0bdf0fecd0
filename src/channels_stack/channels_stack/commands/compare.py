"""`channels-stack compare`: what the servers of a new release answer, compared with what those that serve answer.

It runs once, in the network of the edge, while tasks of the new release run alongside the old ones:

* `compare pages NEW OLD`: pages that the old ones answer well, found from `path` on by their links, are asked of both.
* `compare traffic NEW OLD`: both are open to visitors for some seconds; what they counted of answers meanwhile is compared.

A page that is gone on purpose, a redirect or a login in its place are a change of the application. A page that fails with 5xx
where the old release answers, or a site of which nothing is left, are not.
"""

from __future__ import annotations

import http.client
import re
import socket
import sys
import time
from collections.abc import Iterable
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

TIMEOUT_SECONDS = 10
MOST_PAGES = 15
LOOK_SECONDS = 2.0
FAILED_AT_LEAST = 3
"""Failed answers below which nothing is concluded: one visitor may bring two."""
TIMES_THE_OLD = 3.0
SHARE_AT_LEAST = 0.02
"""A share of failed answers is worse where it is above this, and so many times that of the old release."""
COUNTED = re.compile(
    r'^channels_stack_http_requests_total\{[^}]*status="(\dxx)"[^}]*\} ([0-9.e+]+)$', re.MULTILINE
)


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


def traffic(new: str, old: str, port: int, seconds: float) -> list[str]:
    """Compare for SECONDS what NEW and the others of OLD count; OLD's name holds NEW's addresses as well."""
    begun: dict[str, tuple[float, float]] = {}
    until = time.monotonic() + seconds
    while True:
        ours = _addresses(new, port)
        now = {each: _counted(each, port) for each in ours | _addresses(old, port)}
        for each, counts in now.items():
            if counts is not None:
                begun.setdefault(each, counts)
        grown = {
            each: tuple(max(0.0, after - before) for before, after in zip(begun[each], counts))
            for each, counts in now.items()
            if counts is not None
        }
        total, failed = (sum(grown[each][part] for each in grown if each in ours) for part in (0, 1))
        old_total, old_failed = (
            sum(grown[each][part] for each in grown if each not in ours) for part in (0, 1)
        )
        share, old_share = failed / max(total, 1), old_failed / max(old_total, 1)
        text = f"{failed:.0f} of {total:.0f} answers of {new} are 5xx, {old_failed:.0f} of {old_total:.0f} of {old}"
        if failed >= FAILED_AT_LEAST and share > max(SHARE_AT_LEAST, TIMES_THE_OLD * old_share):
            return [text]
        if time.monotonic() >= until:
            print(text, flush=True)
            return []
        time.sleep(LOOK_SECONDS)


def _addresses(name: str, port: int) -> set[str]:
    try:
        return {str(each[4][0]) for each in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _counted(address: str, port: int) -> tuple[float, float] | None:
    """Answers so far, and those that failed; None where it does not say."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/-/metrics", headers={"Host": "localhost"})
        text = connection.getresponse().read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    rows = [(status, float(count)) for status, count in COUNTED.findall(text)]
    return sum(count for _, count in rows), sum(count for status, count in rows if status == "5xx")


def main(what: str, new: str, old: str, port: int, host: str, path: str, seconds: float) -> int:
    """0 where the new release answers as well as the old one, 1 with a line for each that it does not."""
    problems = pages(new, old, port, host, path) if what == "pages" else traffic(new, old, port, seconds)
    for line in problems:
        print(f"{what}: {line}", file=sys.stderr)
    return 1 if problems else 0
