"""What `status.yml` says of processes, edges and backups."""

import time

import pytest

from channels_stack_deploy.swarm import summary


def process(service, **more):
    plain = {
        "service": service,
        "host": "a1b2",
        "server": "uvicorn",
        "started": time.time() - 3 * 3600,
        "draining": False,
        "state": "running",
        "silent_seconds": 0.4,
        "sockets": 0,
        "layer_asked": True,
        "layer_latency_ms": 1.2,
        "failed": 0,
        "rss_bytes": 50 * 1024 * 1024,
        "backlog": {},
    }
    return {**plain, **more}


def edge(days, **more):
    return {
        "draining": False,
        "connections": 3,
        "certificate": {"days": days, "names": ["a.test"]},
        **more,
    }


WHOLE = {
    "processes": [
        process("ws", sockets=2),
        process("ws", sockets=3, draining=True, state="draining", layer_asked=False, layer_latency_ms=None),
        process("ws", sockets=9, state="silent", silent_seconds=6.2, layer_latency_ms=None),
        process("http", troubles={"canary": "channel layer 'default': nothing came back for 7 s"}),
        process("worker", backlog={"reports": 4}),
        process("worker", backlog={"reports": 4, "mail": 0}),
    ],
    "edges": {"one": edge(80), "two": edge(12, draining=True)},
    "backup": {"newest": "x", "age_seconds": 7300, "problems": []},
    "names": {"one": {"running": True, "back": 0}, "two": {"running": True, "back": 0}},
}


def said(facts, services=("http", "backup")):
    return "\n".join(summary.lines(facts, list(services)))


@pytest.mark.parametrize(
    "line",
    [
        "ws       a1b2  uvicorn  3 h  running     2        1 ms       -       50 MiB",
        "ws       a1b2  uvicorn  3 h  draining    3        -          -       50 MiB",
        "ws       a1b2  uvicorn  3 h  silent 6 s  9        no answer  -       50 MiB",
        "PROBLEM http a1b2: canary: channel layer 'default': nothing came back for 7 s",
        "sockets      5",
        "backlog      mail:0 reports:4",
        "last backup  2 h ago",
        "names        none was lost in a day",
        "certificate  12 days",
        "two   draining  3            12                a.test",
    ],
)
def test_a_whole_stack(line):
    assert line in said(WHOLE).splitlines()


def test_what_is_not_answered_is_reported():
    text = said(
        {"processes": None, "edges": {}, "backup": None, "names": {"one": {"running": False, "back": 0}}}
    )
    assert "sockets      unknown: no process of the application answers" in text
    assert "certificate  unknown: no edge answers" in text
    assert "PROBLEM channels-stack-names.service does not run on one: bootstrap.yml --tags swarm" in text
    assert "last backup  unknown: the service backup does not answer" in text


def test_how_often_names_were_lost():
    names = {"one": {"running": True, "back": 2}, "two": {"running": True, "back": 1}}
    assert "names        lost and found 3 times in a day" in said({**WHOLE, "names": names}).splitlines()


def test_no_backups_are_wanted():
    assert "none is made: BACKUP_REPOSITORY is not set" in said({**WHOLE, "backup": None}, ["http"])


def test_what_is_wrong_with_backups_is_shown_with_their_age():
    facts = {"newest": None, "age_seconds": None, "problems": ["there is no backup yet"]}
    assert "last backup  none yet; PROBLEM there is no backup yet" in said({**WHOLE, "backup": facts})
