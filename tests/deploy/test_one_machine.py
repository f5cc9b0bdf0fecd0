"""The commands of docs/backups.md on one machine, in the order of the page, on a stack of their own."""

from __future__ import annotations

import re

import pytest
import stacks

ROWS = ["-Atc", "select n from kept"]


@pytest.fixture(scope="module")
def stack():
    stacks.remove_stale()
    with stacks.own("backups", BACKUP_REPOSITORY="volume") as found:
        psql(found, "-c", "create table kept as select 7 as n")
        yield found


def psql(stack, *words: str) -> str:
    return stack.compose("exec", "-T", "db", "psql", "-U", "app", "-d", "app", *words).strip()


def make(stack, verb: str, **variables: str) -> str:
    """What `make VERB` says: the Makefile calls the same."""
    return stacks.tool(stack.folder, stack.project, verb, **variables)


def test_backup(stack):
    assert make(stack, "backup")


@pytest.mark.parametrize("command", ["status", "list", "verify"])
def test_what_the_service_says_of_them(stack, command):
    assert stack.compose("exec", "-T", "backup", "backup", command)


def test_restore_drill(stack):
    said = make(stack, "drill")
    assert re.search(r"RPO.*\d", said) and re.search(r"RTO.*\d", said), said


def test_restore_while_it_runs(stack):
    with pytest.raises(stacks.StackError, match="still run, and may write: make down"):
        make(stack, "restore", CONFIRM="yes")


def test_down_restore_up(stack):
    make(stack, "down")
    with pytest.raises(stacks.StackError):
        make(stack, "restore")
    make(stack, "restore", CONFIRM="yes")
    make(stack, "up")
    assert psql(stack, *ROWS) == "7"
    assert stack.compose("exec", "-T", "backup", "backup", "discard") is not None
