"""The commands of docs/how-to/backups.md on one machine, in the order of the page, on a stack of their own."""

from __future__ import annotations

import re

import pytest
import stacks

pytestmark = pytest.mark.more

ROWS = ["-Atc", "select n from kept"]


@pytest.fixture(scope="module")
def place():
    stacks.remove_stale()
    with stacks.own("backups", BACKUP_REPOSITORY="volume") as found:
        psql(found, "-c", "create table kept as select 7 as n")
        yield found


def psql(place, *words: str) -> str:
    return place.compose("exec", "-T", "db", "psql", "-U", "app", "-d", "app", *words).strip()


def make(place, verb: str, **variables: str) -> str:
    """What `make VERB` says: the Makefile calls the same."""
    return stacks.tool(place.folder, verb, **variables)


def test_backup(place):
    assert make(place, "backup")


@pytest.mark.parametrize("command", ["status", "list", "verify"])
def test_what_the_service_says_of_them(place, command):
    place.compose("exec", "-T", "backup", "backup", command)  # raises where it fails


def test_restore_drill(place):
    said = make(place, "drill")
    assert re.search(r"RPO.*\d", said) and re.search(r"RTO.*\d", said), said


def test_restore_while_it_runs(place):
    with pytest.raises(stacks.StackError, match="still run, and may write: make down"):
        make(place, "restore", CONFIRM="yes")


def test_down_restore_up(place):
    make(place, "down")
    with pytest.raises(stacks.StackError):
        make(place, "restore")
    make(place, "restore", CONFIRM="yes")
    make(place, "up")
    assert psql(place, *ROWS) == "7"
    place.compose("exec", "-T", "backup", "backup", "discard")
