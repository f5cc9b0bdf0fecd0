"""Jobs in the console: how many are where, and dead letters, whose content is nobody's business unless asked for."""

from __future__ import annotations

import re
from html import unescape

import pytest
from processes import until
from visitors import CONSOLE, Visitor, sees, words

JOBS = f"{CONSOLE}jobs/"
SECRET = "token-5f1c"


@pytest.fixture(scope="module")
def worker(start, running):
    """A worker whose jobs fail."""
    return start.worker()


def links(visitor: Visitor, verb: str, count: int) -> list[str]:
    """Where single dead letters of the channel are retried or dropped, newest first, once there are ``count``."""

    def found() -> list[str]:
        body = visitor.get(f"{JOBS}?channel=mail").body.decode()
        every = [JOBS + unescape(each) for each in re.findall(rf'href="({verb}/\?[^"]*entry=[^"]*)"', body)]
        return every if len(every) == count else []

    return until(found, what=f"{count} dead letters are listed")


def test_dead_letters_are_looked_at_retried_and_dropped(running, worker):
    ann = Visitor(running, "ann", "view", "act")
    with ann.socket(JOBS) as socket:
        sees(socket, "mail 0 0 0 0")  # a worker waits for them
        for number in range(3):
            running.get(f"/write/{SECRET}-{number}/")
        shown = sees(socket, "mail 0 0 0 3")
    assert shown.count("mail.send") == 3
    assert "LookupError" in shown
    for page in (JOBS, f"{JOBS}?channel=mail"):
        assert SECRET not in ann.get(page).body.decode()

    newest, middle, oldest = links(ann, "drop", 3)
    assert b"Done: 1" in ann.post(middle).body
    assert b"Done: 0" in ann.post(middle).body  # it is gone
    assert len(links(ann, "drop", 2)) == 2
    assert b"Done: 1" in ann.post(links(ann, "retry", 2)[1]).body
    again = until(lambda: _without(links(ann, "drop", 2), oldest), what="it has failed again")
    assert again[1] == newest  # and is the newest now

    body = ann.get(f"{JOBS}?channel=mail").body.decode()
    every = JOBS + unescape(re.search(r'href="(drop/\?[^"]*until=[^"]*)"', body)[1])
    running.get(f"/write/{SECRET}-late/")
    links(ann, "drop", 3)
    assert b"Done: 2" in ann.post(every).body  # what has died since was not meant
    assert len(links(ann, "drop", 1)) == 1
    running.pages.says(f"{ann.name}: Drop all dead letters of mail: 2")


def _without(links: list[str], gone: str) -> list[str]:
    return links if gone not in links else []


def test_what_one_holds_is_shown_to_who_may_and_asks_for_it(running, worker):
    ann, eve = Visitor(running, "ann", "view", "act", "reveal"), Visitor(running, "eve", "view", "act")
    running.get(f"/write/{SECRET}-held/")

    def listed():
        return re.search(r'href="(letter/[^"]*)"', ann.get(JOBS).body.decode())

    address = JOBS + unescape(until(listed, what="a letter is listed")[1])
    for visitor in (ann, eve):
        page = words(visitor.get(address).body.decode())
        assert "Show what it holds" in page
        assert SECRET not in page
    assert eve.get(f"{address}&reveal=1").status == 403
    page = unescape(ann.get(f"{address}&reveal=1").body.decode())
    assert f'"text": "{SECRET}' in page
    assert "Traceback" in page
    running.pages.says(f"{ann.name} reads the dead letter")


@pytest.mark.parametrize(
    "query", ["", "channel=mail", "channel=mail&entry=x", "channel=a:b&entry=1-1", "entry=1-1"]
)
def test_addresses_that_name_nothing(running, query):
    ann = Visitor(running, "ann", "view", "act", "reveal")
    assert {ann.get(f"{JOBS}{page}/?{query}").status for page in ("letter", "retry", "drop")} == {404}


def test_to_look_is_not_to_act(running):
    eve = Visitor(running, "eve", "view")
    assert eve.get(f"{JOBS}drop/?channel=mail&entry=1-1").status == 403
    assert eve.post(f"{JOBS}drop/", token=False, channel="mail", entry="1-1").status == 403


@pytest.mark.parametrize("begin", ["x", "9" * 40, "1-1-1", "%3Cb%3E"])
def test_odd_pages_do_no_harm(running, begin):
    assert Visitor(running, "ann", "view").get(f"{JOBS}?from={begin}&channel={begin}").status == 200
