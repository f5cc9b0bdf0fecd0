"""Who did what when: a line for each verb that changes something or looks behind the application, kept where the stack is.

On servers each manager has the file, on this machine it is in the folder of the environment. A line is written before the verb
begins and one when it has ended, so that one which was killed is there as well.
"""

from __future__ import annotations

import json
import re
import shlex
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..console import Failure
from ..person import who
from .hosts import Host

FILE = "audit"
KEPT_LINES = 5000
"""The oldest are forgotten beyond that."""

Line = dict[str, Any]

HIDDEN = re.compile(
    r"""(?i)(?:pass|pwd|secret|token|credential|authorization|bearer|key)[a-z0-9_-]*(?:(["']?\s*[=:(]|\s+["'])|$)"""
)
"""What looks like the name of a password, and what its value follows: in an option, a variable, code or SQL."""

USERINFO = re.compile(r"(://[^:/@\s]*:)[^/@\s]+@")
"""The password in an address."""

OPTION = re.compile(
    r"(?i)(\s--?[a-z0-9_-]*(?:pass|pwd|secret|token|credential|authorization|bearer|key)[a-z0-9_-]*\s+)\S+"
)
"""One of a command that is a single word here, as for `sh -c`."""


@contextmanager
def noted(
    hosts: Sequence[Host], folder: str, verb: str, words: Sequence[str] = ()
) -> Iterator[dict[str, int]]:
    """Note VERB with its WORDS on HOSTS, in the FOLDER of the stack; `exit` of what is yielded becomes how it ended."""
    line, how = begun(uuid.uuid4().hex[:12], verb, words), {"exit": 1}
    write(hosts, folder, line)
    try:
        yield how
    finally:
        write(hosts, folder, ended(line, how["exit"]))


def begun(identity: str, verb: str, words: Sequence[str]) -> Line:
    """The line of the beginning of VERB with WORDS."""
    return {"at": now(), "id": identity, "who": who(), "verb": verb, "words": hidden(words)}


def ended(line: Line, code: int) -> Line:
    """The one of the end of what LINE began."""
    return {"at": now(), "id": line["id"], "exit": code}


def now() -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def hidden(words: Sequence[str]) -> str:
    """WORDS as they were typed, without the values of what looks like a password."""
    shown, follows = [], False
    for word in words:
        rest = cut(word)
        shown.append("…" if follows else rest if rest.endswith("…") else shlex.quote(rest))
        follows = is_option(word)
    return " ".join(shown)


def cut(word: str) -> str:
    """WORD without what looks like a password in it."""
    word = OPTION.sub(r"\1…", USERINFO.sub(r"\1…@", word))
    match = HIDDEN.search(word)
    return f"{word[: match.end()]}…" if match and match[1] else word


def is_option(word: str) -> bool:
    """Whether a password follows WORD."""
    match = HIDDEN.search(word)
    return bool(match and not match[1] and word.startswith("-"))


def write(hosts: Sequence[Host], folder: str, line: Line) -> None:
    """Add LINE on each of HOSTS; Failure where none of them takes it."""
    answers = [(host, host.shell(*adding(folder, line))) for host in hosts]
    complaints = [
        f"{host.name}: {folder}/{FILE} cannot be written: {complaint.strip()}"
        for host, (code, _, complaint) in answers
        if code
    ]
    if len(complaints) == len(hosts):
        raise Failure("\n".join(complaints))


def adding(folder: str, line: Line) -> tuple[str, str]:
    """The command line that adds LINE to the file, which is for root's eyes alone, and what it reads."""
    path = shlex.quote(f"{folder}/{FILE}")
    many = f"[ $(wc -l < {path}) -gt {2 * KEPT_LINES} ]"
    forget = f"tail -n {KEPT_LINES} {path} > {path}.new && mv {path}.new {path}"
    script = f"mkdir -p {shlex.quote(folder)} && umask 077 && cat >> {path} && if {many}; then {forget}; fi"
    return script, json.dumps(line, ensure_ascii=False) + "\n"


def read(hosts: Sequence[Host], folder: str) -> list[Line]:
    """What was noted on HOSTS, the oldest first, each verb once with how it ended (`exit`, `seconds`; absent: not known)."""
    found: dict[str, Line] = {}
    for host in hosts:
        for text in host.shell(f"cat {shlex.quote(f'{folder}/{FILE}')}")[1].splitlines():
            try:
                line = json.loads(text)
                known = found.setdefault(line["id"], {})
                known |= {"ended": line["at"], "exit": line["exit"]} if "exit" in line else line
            except (ValueError, KeyError, TypeError):
                continue  # cut short by a full disk or a crash
    return sorted((each for each in found.values() if "verb" in each), key=lambda each: each["at"])


def rows(lines: list[Line]) -> list[list[str]]:
    """LINES for people: when, who, what, how it ended."""
    return [
        [each["at"], each["who"], " ".join([each["verb"], each["words"]]).strip(), outcome(each)]
        for each in lines
    ]


def outcome(line: Line) -> str:
    """How the verb of LINE ended."""
    if "exit" not in line:
        return "not ended"
    return "done" if line["exit"] == 0 else f"exit {line['exit']}"
