"""The order of the library's rooms: each imports only from those before it, and nothing imports in a circle.

`python tests/unit/runtime/test_rooms.py` prints the order with its arrows.
"""

from __future__ import annotations

import ast
import pathlib

LIBRARY = pathlib.Path(__file__).resolve().parents[3] / "src/channels_stack/channels_stack"
ORDER = (
    *("stores", "config", "asgi", "observability", "layers", "groups", "patches", "project"),
    *("jobs", "lifecycle", "status", "console", "middleware", "servers", "doctor", "commands"),
)
"""Lowest first."""


def modules() -> dict[str, pathlib.Path]:
    """Each module's dotted name below the library, and its file."""
    found = {}
    for path in LIBRARY.rglob("*.py"):
        parts = path.relative_to(LIBRARY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: pathlib.Path, known: set[str], *, at_start: bool) -> set[str]:
    """The modules of the library that NAME imports; AT_START: only while it is imported itself."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text())
    later = {
        node
        for outer in ast.walk(tree)
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING")
        for node in ast.walk(outer)
    }
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level or (at_start and node in later):
            continue
        parts = package.split(".") if package else []
        base = [*parts[: len(parts) - node.level + 1], *(node.module.split(".") if node.module else [])]
        for each in node.names:
            full = ".".join([*base, each.name])
            found.add(full if full in known else ".".join(base))
    return {each for each in found if each in known and each != name}


def test_every_import_leads_to_a_module() -> None:
    """mypy cannot say it: it ignores what it does not find, because Channels has no types."""
    known = set(modules())
    lost = []
    for name, path in modules().items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                parts = package.split(".") if package else []
                base = ".".join(
                    [*parts[: len(parts) - node.level + 1], *(node.module.split(".") if node.module else [])]
                )
                if base not in known:
                    lost.append(f"{name}: {ast.unparse(node)}")
    assert not lost


def arrows(*, at_start: bool = False) -> dict[str, set[str]]:
    known = modules()
    return {name: imports(name, path, set(known), at_start=at_start) for name, path in known.items()}


def room(name: str) -> str:
    return name.partition(".")[0] if "." in name or name in ORDER else ""


def test_every_module_is_in_a_room_or_public() -> None:
    public = {
        "environment",
        "overlay",
        "producer",
        "sentinels",
        "single_layer",
        "static_finder",
        "static_storage",
        "streams",
    }
    assert {name for name in modules() if not room(name)} == public | {"", "__main__", "entry_points"}
    assert {room(name) for name in modules()} - {""} == set(ORDER)


def test_no_arrow_runs_against_the_order() -> None:
    against = [
        f"{name} -> {target}"
        for name, targets in arrows().items()
        for target in targets
        if room(name) and room(target) and ORDER.index(room(target)) > ORDER.index(room(name))
    ]
    assert not against, "\n".join(sorted(against))


def test_no_import_runs_in_a_circle() -> None:
    graph, done = arrows(at_start=True), set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                if not name.startswith(f"{target}."):
                    visit(target, (*way, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


if __name__ == "__main__":
    for number, each in enumerate(ORDER):
        below = {
            room(target) for name, targets in arrows().items() if room(name) == each for target in targets
        } - {each, ""}
        print(f"{number + 1:2} {each:14} <- {' '.join(sorted(below, key=ORDER.index))}")
