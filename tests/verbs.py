"""The verbs of an operator with what each must answer, on one machine and on servers alike."""

from __future__ import annotations

from collections.abc import Callable

from support.polling import until

Verb = Callable[..., str]
"""(name, variables of make) -> what `make NAME` says, where it must succeed."""

ANSWERS = {
    "details": ({}, "release"),
    "status": ({}, "LOOP LAG"),
    "manage": ({"C": "check"}, "no issues"),
    "dbshell": ({"C": "select 40 + 2 as answer"}, "42"),
    "shell": ({"S": "ws", "C": "sh -c 'echo in $CHANNELS_STACK_SERVICE $((40 + 2))'"}, "42"),
    "job": ({"C": "python -c 'print(6 * 7)'"}, "42"),
    "logs": ({"S": "edge worker", "FOLLOW": "no"}, "listening on"),
    "releases": ({}, "serves"),
    "maintenance": ({}, "serves"),
    "audit": ({}, "who"),
}
"""Verb -> its variables, and words of its answer."""

NOTED = ("manage", "dbshell", "shell", "job")
"""What `make audit` must have of those."""


def answered(verb: Verb, name: str) -> str:
    """What the verb NAME of ANSWERS says."""
    variables, words = ANSWERS[name]
    said = verb(name, **variables)
    assert words in said, f"{name} {variables}:\n{said}"
    return said


def noted(verb: Verb, *others: str) -> None:
    """Whether the audit has what was done, by whom, and no password."""
    verb("shell", C="true --password swordfish --token=swordfish")
    rows = verb("audit").splitlines()[1:]
    assert rows and all("@" in row and row.split()[0].endswith("Z") for row in rows)
    done = {row.split()[2] for row in rows if row.endswith(" done")}
    assert {*NOTED, *others} <= done, rows
    assert not any("swordfish" in row for row in rows)


def lines_of_one_request(verb: Verb, request: str) -> None:
    """Whether the logs have REQUEST as the edge and the application saw it, in the order of time, and nothing else."""
    shown = verb("logs", REQUEST=request, FOLLOW="no").splitlines()
    assert len(shown) == 2 and all(request in line for line in shown), shown
    times = [line.split()[0] for line in shown]  # both may be of one millisecond
    assert times == sorted(times)
    assert {"edge", "http"} == {
        line.split("  ")[0].split()[-1].split("-")[0].split(".")[0] for line in shown
    }, shown
    assert verb("logs", REQUEST=request, FOLLOW="no", LEVEL="error") == ""
    assert len(verb("logs", REQUEST=request, FOLLOW="no", S="http").splitlines()) == 1
    assert verb("logs", REQUEST=request, FOLLOW="no", S="http", RAW="yes").startswith("{")


def maintained(verb: Verb, status: Callable[[], tuple[int, str]]) -> None:
    """Whether maintenance begins and ends; STATUS are that of a page and its Retry-After."""
    assert status() == (200, "")
    try:
        assert "503" in verb("maintenance", W="on")
        # A connection from before may be served one page more.
        until(lambda: status() == (503, "60"), what="the page of maintenance")
    finally:
        assert "serves" in verb("maintenance", W="off")
    until(lambda: status() == (200, ""), what="the page itself")
