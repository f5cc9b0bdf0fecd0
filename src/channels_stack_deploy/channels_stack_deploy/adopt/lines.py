"""Writing the lines of stack.env: an operator's own stay, what adopt wrote before follows the project."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config.settings import LINE, defaults
from ..console import Failure
from .findings import Line

MARK = "# make adopt wrote "
"""Begins the comment above a line of ours; the line itself and why follow."""

EXPLICIT = ("APP_DIR", "APP_SETTINGS", "APP_ASGI", "APP_WORKER_CHANNELS", "APP_RELEASE_COMMANDS")
"""Written even where they say what is the default: they describe this project, and the defaults the reference application."""


@dataclass
class Merged:
    """TEXT is the new content; CHANGED what was done; KEPT what an operator wrote and adopt would have written otherwise."""

    text: str
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def merge(text: str, example: str, wanted: dict[str, Line], names: tuple[str, ...]) -> Merged:
    """TEXT of stack.env with the lines that are WANTED, of all NAMES that adopt can write. EXAMPLE is what it was copied from.

    Raises Failure where the lines that an operator wrote describe another project.
    """
    merged = Merged(text)
    lines = text.splitlines()
    shipped = _active(example.splitlines())
    before = _active(lines)
    folder = wanted["APP_DIR"].value
    other = before["APP_DIR"][1] if "APP_DIR" in before else defaults()["APP_DIR"]
    own = [name for name in names if name in before and not _is_ours(lines, shipped, name)]
    if other not in (folder, defaults()["APP_DIR"]) and set(own) - {"APP_DIR"}:
        raise Failure(
            f"stack.env describes {other}: remove its lines {', '.join(sorted(set(own) - {'APP_DIR'}))} and adopt again, or "
            "give this project a stack.env of its own"
        )
    for name in names:
        line = wanted.get(name)
        value = line.value if line else defaults()[name] if name not in shipped else shipped[name][1]
        needed = line is not None and (name in EXPLICIT or value != defaults()[name])
        here = _active(lines).get(name)
        if here is None:
            if needed and line:
                _insert(lines, name, line)
                merged.changed.append(f"{line}    ({line.why})")
            continue
        index, current = here
        if current == value:
            continue
        if not _is_ours(lines, shipped, name) and name != "APP_DIR":
            if line:
                merged.kept.append(
                    f"{name}={current} is yours and stays; adopt would write {line} ({line.why})"
                )
            continue
        first = index - 1 if index and lines[index - 1].startswith(MARK) else index
        lines[first : index + 1] = _written(line) if line and needed else []
        merged.changed.append(
            f"{line}    (was {name}={current}; {line.why})"
            if line and needed
            else f"{name}={current} is gone: it is not needed any more"
        )
    merged.text = "\n".join(lines) + "\n"
    return merged


def _active(lines: list[str]) -> dict[str, tuple[int, str]]:
    """Name -> (index, value) of the line in effect, which is the last."""
    active = {}
    for index, line in enumerate(lines):
        match = LINE.match(line.strip())
        if match and not match["commented"]:
            value = match["value"].strip()
            if value[:1] in ("'", '"') and value[:1] == value[-1:] and len(value) > 1:
                value = value[1:-1]
            active[match["name"]] = (index, value)
    return active


def _is_ours(lines: list[str], shipped: dict[str, tuple[int, str]], name: str) -> bool:
    """Whether the line of NAME is as adopt wrote it, or as the example has it."""
    index, value = _active(lines)[name]
    above = lines[index - 1] if index else ""
    if above.startswith(MARK):
        return above.removeprefix(MARK).startswith((f"{name}={value}:", f"{name}={value} "))
    return name in shipped and shipped[name][1] == value


def _written(line: Line) -> list[str]:
    return [f"{MARK}{line}: {line.why}", str(line)]


def _insert(lines: list[str], name: str, line: Line) -> None:
    """Below the commented default of NAME, or at the end."""
    places = [index for index, each in enumerate(lines) if each.startswith(f"#{name}=")]
    at = places[0] + 1 if places else len(lines)
    lines[at:at] = _written(line)
