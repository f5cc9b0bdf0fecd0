"""Comparing two states of a whole cluster: rows and a checksum of every table, sequences, roles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .cluster import Session, live, query
from .console import Failure
from .places import RUN

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1"

TABLES = """
SELECT format('%I.%I', n.nspname, c.relname), c.relkind
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND c.relispopulated
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1
"""
"""Every table, partition and filled materialized view that survives a crash; large objects are added."""

SEQUENCES = "SELECT schemaname, sequencename, coalesce(last_value, 0) FROM pg_sequences ORDER BY 1, 2"

FORM = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; "
    "SET bytea_output = 'hex'"
)
"""A row has the same text on both sides."""

PATIENCE_MILLISECONDS, ATTEMPTS = 2000, 15
"""How long one attempt at the lock may hold up writers, and how many there are."""

State = dict[str, str]
"""What -> its value, as text."""


def fingerprint(ask: Callable[[str, str], list[str]], databases: list[str]) -> State:
    """The state of all DATABASES; ASK(database, statement) returns the lines of the answer."""
    found: State = {}
    for database in databases:
        ask(database, FORM)
        tables = [line.split("\t")[0] for line in ask(database, TABLES)]
        for table in [*tables, "pg_catalog.pg_largeobject"]:
            found[f"{database} {table}"] = " ".join(
                ask(
                    database,
                    f"SELECT count(*), coalesce(sum(hashtextextended((this_row.*)::text, 0)), 0) FROM ONLY {table} this_row",
                )
            )
        for line in ask(database, SEQUENCES):
            schema, name, value = line.split("\t")
            found[f"{database} sequence {schema}.{name}"] = value
    roles = ask(
        databases[0], "SELECT concat_ws('/', rolname, rolsuper, rolcanlogin) FROM pg_roles ORDER BY 1"
    )
    found["roles"] = " ".join(roles)
    return found


def differences(wanted: State, found: State) -> list[str]:
    """A line for each thing that is not the same. A sequence may have gone on by the numbers it keeps ready."""
    lines = []
    for name in sorted(wanted.keys() | found.keys()):
        left, right = wanted.get(name, "nothing"), found.get(name, "nothing")
        if " sequence " in name and left != "nothing" != right and int(left) <= int(right):
            continue
        if left != right:
            lines.append(f"{name}: running {shown(left)}, restored {shown(right)}")
    return lines


def shown(value: str) -> str:
    """A value for people."""
    return value.replace("\t", " rows, checksum ")


def tables(state: State) -> tuple[int, int]:
    """(tables, rows) of a state."""
    counts = [
        value.split("\t")[0]
        for name, value in state.items()
        if "\t" in value and "pg_largeobject" not in name
    ]
    return len(counts), sum(map(int, counts))


class Cut:
    """One moment of the running cluster: a restore point in the WAL, and snapshots of exactly what stands before it.

    Writers are held up while both are made, some milliseconds; the snapshots then last until `close`.
    """

    def __init__(self, user: str, name: str) -> None:
        self.user, self.name = user, name
        self.databases = live(user, "postgres", DATABASES).splitlines()
        self.snapshots: dict[str, Session] = {}
        self.sequences: dict[str, list[str]] = {}
        self.segment = ""
        for attempt in range(ATTEMPTS):
            try:
                self.make()
                return
            except Failure as failure:
                self.close()
                if "lock timeout" not in str(failure) or attempt == ATTEMPTS - 1:
                    raise

    def make(self) -> None:
        """Hold up the writers of all databases, mark the moment, take the snapshots, let them go on."""
        holders: list[tuple[str, Session]] = []
        try:
            for database in self.databases:
                tables = [
                    line for line in live(self.user, database, TABLES).splitlines() if line.endswith("\tr")
                ]
                session = Session(RUN, self.user, database)
                holders.append((database, session))
                session.ask(f"SET lock_timeout = {PATIENCE_MILLISECONDS}")
                session.ask("BEGIN ISOLATION LEVEL REPEATABLE READ")
                if tables:
                    names = ", ".join(f"ONLY {line.split(chr(9))[0]}" for line in tables)
                    session.ask(f"LOCK TABLE {names} IN SHARE MODE")
            # No snapshot holds a sequence: once writers go on, it would show later numbers.
            self.sequences = {database: holder.ask(SEQUENCES) for database, holder in holders}
            first = holders[0][1]
            self.segment = first.ask(f"SELECT pg_walfile_name(pg_create_restore_point('{self.name}'))")[0]
            for database, holder in holders:
                snapshot = holder.ask("SELECT pg_export_snapshot()")[0]
                self.snapshots[database] = session = Session(RUN, self.user, database)
                session.ask(
                    f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'"
                )
        finally:
            for _, holder in holders:
                holder.close()

    def state(self) -> State:
        """What the running cluster held at that moment."""

        def ask(database: str, text: str) -> list[str]:
            return self.sequences[database] if text == SEQUENCES else self.snapshots[database].ask(text)

        return fingerprint(ask, self.databases)

    def close(self) -> None:
        """Let the snapshots go."""
        for session in self.snapshots.values():
            session.close()
        self.snapshots.clear()


def restored(sockets: Path, user: str) -> State:
    """What a restored cluster holds."""
    databases = query(sockets, user, "postgres", DATABASES).splitlines()
    sessions = {database: Session(sockets, user, database) for database in databases}
    try:
        return fingerprint(lambda database, text: sessions[database].ask(text), databases)
    finally:
        for session in sessions.values():
            session.close()
