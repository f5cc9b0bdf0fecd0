#!/usr/bin/env python3
"""Fill the application's virtual environment: its own dependencies first, then what the stack needs to serve it.

    install.py --venv /opt/venv --application FILE[group] [--constraints FILE] --stack LOCK…
    install.py --venv /opt/venv --runtime WHEEL

FILE is a requirements file, a uv.lock, or a pyproject.toml; [group] is one of its dependency groups or extras.
What the application pins stays: it knows why. Of the stack's locks only that is added which is missing, with its
hashes; where that does not fit beside the application's versions, it is resolved anew within them, and one line
says so. So does one line for each version that is unsafe or known to break. A build that finds its layers in the cache
says nothing: so these lines stay in the environment as notices.txt, and each release tells them again. `pip check` has
the last word.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DRIVERS = {"psycopg", "psycopg2", "psycopg2-binary"}
"""Ways to speak to PostgreSQL: an application that has one needs no other."""

COMPILED = {"psycopg-binary", "psycopg-c", "psycopg2", "psycopg2-binary"}
"""Of these, what brings libpq with it or was compiled with the system's."""

FLOORS = (
    ("django", "<5.2.19", "has no security fixes any more", "django>=5.2.19"),
    ("daphne", "<4.2.2", "takes messages of any size (CVE-2026-44545, CVE-2026-44546)", "daphne>=4.2.3"),
    ("autobahn", "==25.9.1", "crashes Daphne (daphne#572)", "autobahn!=25.9.1"),
    ("uvicorn", "<0.52.1", "buffers without bound for a client that does not read", "uvicorn>=0.54"),
    ("websockets", "<11", "leaves uvicorn its older, deprecated side of websockets", "websockets>=13"),
    ("gunicorn", "<22", "lets requests be smuggled (CVE-2024-1135)", "gunicorn>=27"),
    ("redis", "<4.6", "loses what is sent while Redis starts again", "redis>=4.6"),
    ("h11", "<0.16", "lets requests be smuggled (CVE-2025-43859)", "h11>=0.16"),
    ("twisted", "<24.7", "mixes up pipelined answers (CVE-2024-41671)", "twisted>=24.7"),
)
"""(package, versions, what is wrong with them, what to ask for instead)."""

OLDEST_CHANNELS = (4, 0)

WINDOWS = {"twisted-iocpsupport", "pywin32", "pypiwin32", "pywinpty"}
"""Packages that exist for Windows only: `pip freeze` on a developer's machine writes them into the file."""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run COMMAND; its output, both streams together, is in `stdout`."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )


TOLD: list[str] = []
"""What this run has told."""


def tell(text: str) -> None:
    """One line for the operator; the tool behind `make up` looks for this beginning and shows the rest."""
    print(f"install.py: {text}", flush=True)
    TOLD.append(text.removeprefix("warning: "))


def fail(text: str, output: str = "") -> SystemExit:
    """The end of the build: OUTPUT of what failed, then one line that says what and the way out."""
    print(output.strip(), flush=True)
    return SystemExit(f"install.py: {text}")


def canonical(name: str) -> str:
    """The one spelling of a package name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Venv:
    """The virtual environment at PATH, which has no pip of its own: this interpreter's fills it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip on it; whether that went well stands in the result."""
        return run(sys.executable, "-m", "pip", "--python", f"{self.path}/bin/python", *arguments)

    def packages(self) -> dict[str, str]:
        """Package name -> version."""
        lines = self.pip("list", "--format", "freeze").stdout.splitlines()
        return {
            canonical(name): version
            for name, _, version in (line.partition("==") for line in lines)
            if version
        }

    def conflicts(self) -> list[str]:
        """What `pip check` complains about."""
        done = self.pip("check")
        return done.stdout.splitlines() if done.returncode else []


def toml(path: Path) -> dict:
    """The content of a TOML file; the standard library reads them from Python 3.11 on, pip brings a reader before."""
    try:
        import tomllib
    except ModuleNotFoundError:
        from pip._vendor import tomli as tomllib  # type: ignore[no-redef]
    return tomllib.loads(path.read_text())


def requirements(application: str, folder: Path) -> Path:
    """APPLICATION as a requirements file, perhaps one made in FOLDER."""
    name, _, group = application.rstrip("]").partition("[")
    path = Path(name)
    made = folder / "requirements.txt"
    if path.name == "uv.lock":
        made.write_text(locked(path, group))
    elif path.name == "pyproject.toml":
        made.write_text("\n".join(declared(toml(path), group)) + "\n")
    elif path.suffix in (".lock", ".py", ".yml", ".yaml") or path.name == "Pipfile":
        raise fail(
            f"{path.name} is not understood: export it to a requirements file and name that in APP_REQUIREMENTS"
        )
    elif group:
        raise fail(f"{path.name} has no groups: [{group}] belongs to a uv.lock or a pyproject.toml")
    else:
        return for_linux(path, made)
    return made


def for_linux(path: Path, made: Path) -> Path:
    """The requirements file PATH, or MADE with its content where it names packages for Windows only."""
    content = path.read_bytes()
    # PowerShell's `>` writes UTF-16.
    lines = content.decode(
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    ).splitlines()
    foreign = [
        line
        for line in lines
        if canonical(re.split(r"[\s=<>!~;\[@]", line, maxsplit=1)[0]) in WINDOWS and ";" not in line
    ]
    if not foreign:
        return path
    tell(f"left out, being for Windows only: {', '.join(foreign)}")
    included = re.compile(r"^(-[rc]|--requirement|--constraint)[\s=]*(?=[^\s/])")
    kept = [included.sub(rf"\1 {path.parent}/", line) for line in lines if line not in foreign]
    made.write_text("".join(f"{line}\n" for line in kept))
    return made


def locked(path: Path, group: str) -> str:
    """The requirements, with hashes, that a uv.lock holds: without development, with GROUP if one is named.

    Nothing is asked of an index. Packages that are folders of the project are on Python's path (APP_PATH).
    """
    command = ["uv", "export", "--frozen", "--offline", "--no-dev", "--no-emit-workspace", "--no-emit-local"]
    command += ["--no-header", "--no-annotate", "--python", sys.executable, "--project", str(path.parent)]
    if group:
        project = toml(path.with_name("pyproject.toml"))
        command += ["--group" if group in project.get("dependency-groups", {}) else "--extra", group]
    program = Path(sys.executable).with_name("uv")
    done = run(str(program), *command[1:], UV_CACHE_DIR="/tmp/uv")
    if done.returncode:
        raise fail(f"{path.name} could not be read; uv's message stands above", done.stdout)
    return done.stdout


def declared(project: dict, group: str) -> list[str]:
    """The dependencies of a pyproject.toml, with those of GROUP if one is named."""
    table = project.get("project", {})
    if "dependencies" not in table and not group:
        raise fail(
            "pyproject.toml has no [project] dependencies: export the lock of your tool to a requirements file "
            "and name that in APP_REQUIREMENTS"
        )
    found = list(table.get("dependencies", []))
    if group:
        groups = {**table.get("optional-dependencies", {}), **project.get("dependency-groups", {})}
        found += grouped(groups, group)
    return found


def grouped(groups: dict, name: str) -> list[str]:
    """The requirements of the group NAME and of the groups that it includes (PEP 735)."""
    if name not in groups:
        raise fail(f"pyproject.toml has no group {name!r}; it has: {', '.join(sorted(groups)) or 'none'}")
    found = []
    for each in groups[name]:
        found += [each] if isinstance(each, str) else grouped(groups, each["include-group"])
    return found


def entries(lock: str) -> dict[str, str]:
    """Package name -> its lines of a compiled requirements file."""
    text = re.sub(r"^\s*#.*\n", "", lock, flags=re.M)
    blocks = re.findall(r"^(\S.*(?:\n[ \t]+\S.*)*)", text, flags=re.M)
    return {canonical(re.split(r"[=\[ ;]", block, maxsplit=1)[0]): block for block in blocks}


def install_application(venv: Venv, application: str, constraints: str) -> dict[str, str]:
    """Install what the application asks for; package name -> version of what is there then."""
    with tempfile.TemporaryDirectory() as folder:
        path = requirements(application, Path(folder))
        limits = ["--constraint", constraints] if constraints else []
        done = venv.pip("install", "--requirement", str(path), *limits)
    if done.returncode:
        raise fail(why(done.stdout), "\n".join(done.stdout.splitlines()[-20:]))
    present = venv.packages()
    if "channels" not in present:
        raise fail(f"{Path(application).name} does not ask for channels: is it the right APP_REQUIREMENTS?")
    if version(present["channels"]) < OLDEST_CHANNELS:
        raise fail(f"channels {present['channels']} is too old for this stack, which runs Channels 4")
    return present


def why(output: str) -> str:
    """What pip's OUTPUT means for the operator, in one line with the way out."""
    python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    older = "an older APP_DEBIAN (bookworm: Python 3.11, bullseye: 3.9)"
    broken = re.findall(r"Failed building wheel for (\S+)|Failed to build '?([\w.-]+)", output)
    names = sorted({first or second for first, second in broken} - {"installable"})
    if not names and "metadata-generation-failed" in output:
        names = re.findall(r"^\s*Collecting (\S+)", output, re.M)[-1:]
    if names:
        needed = "gcc python3-dev ..."
        if "pg_config" in output:
            needed = "gcc python3-dev libpq-dev, and libpq5 in APP_PACKAGES"
        return (
            f"there is no wheel of {', '.join(names)} for {python}, and compiling failed, see above: name a compiler and "
            f"what it needs in APP_BUILD_PACKAGES ({needed}), or take newer versions or {older}"
        )
    missing = re.findall(r"No matching distribution found for (.+)", output)
    if missing:
        return (
            f"there is no {missing[0].strip()} for {python}: correct it in APP_REQUIREMENTS, or take {older}"
        )
    if "ResolutionImpossible" in output:
        return "the versions asked for contradict each other, pip names them above: correct APP_REQUIREMENTS"
    wrong = re.findall(r"^ERROR: (Invalid requirement.+|Could not open requirements file.+)", output, re.M)
    if wrong:
        return f"APP_REQUIREMENTS: {wrong[0].strip()}"
    return "pip could not install the application's requirements; its message stands above"


def version(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[a-z+]", text, maxsplit=1)[0]))


def complete(venv: Venv, present: dict[str, str], locks: list[str]) -> None:
    """Add what the stack needs beside the packages that are PRESENT."""
    wanted: dict[str, str] = {}
    for lock in locks:
        wanted = {**entries(Path(lock).read_text()), **wanted}
    if DRIVERS & present.keys():
        wanted = {name: block for name, block in wanted.items() if not name.startswith("psycopg")}
    elif version(present["django"]) < (4, 2):  # psycopg 3 is too new for it
        wanted = {name: block for name, block in wanted.items() if not name.startswith("psycopg")}
        wanted["psycopg2-binary"] = ""
    limits = dict(present)
    if "psycopg" in present and not COMPILED & present.keys():
        # Without its compiled half psycopg wants a libpq of the system, which a slim image has not.
        block = entries("\n".join(Path(lock).read_text() for lock in locks)).get("psycopg-binary", "")
        limits["psycopg-binary"] = present["psycopg"]
        wanted["psycopg-binary"] = block if f"=={present['psycopg']} " in block else ""
    missing = {name: block for name, block in wanted.items() if name not in present}
    if "" not in missing.values() and fits(venv, missing):
        return
    # Each of our own would be one that the application did not choose: nothing it pins may move.
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={number}\n" for name, number in limits.items()))
        file.flush()
        done = venv.pip("install", "--constraint", file.name, *missing)
    if done.returncode:
        raise fail(
            "what serves the application does not fit beside its pins; pip's message above names them. Raise those, "
            "or choose the other server (SERVER_HTTP, SERVER_WS)",
            "\n".join(done.stdout.splitlines()[-20:]),
        )
    now = venv.packages()
    other = [f"{name} {now[name]}" for name, block in missing.items() if f"=={now.get(name)} " not in block]
    tell(
        f"the stack's lock does not fit here, resolved anew and without its hashes: "
        f"{', '.join(other) or 'what it lacks for this Python'}"
    )


def fits(venv: Venv, blocks: dict[str, str]) -> bool:
    """Install the BLOCKS of our locks as they are; False, and none of them is left, where they do not fit."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(blocks.values()))
        file.flush()
        done = venv.pip("install", "--no-deps", "--require-hashes", "--requirement", file.name)
    if done.returncode == 0 and not venv.conflicts():
        return True
    venv.pip("uninstall", "--yes", *blocks)
    return False


def add_runtime(venv: Venv, wheel: str) -> None:
    """Install channels_stack itself, for which nothing has to be fetched, and check that all packages fit together."""
    done = venv.pip("install", "--no-deps", "--no-index", wheel)
    conflicts = venv.conflicts()
    if done.returncode or conflicts:
        said = "; ".join(conflicts) or "pip's message stands above"
        raise fail(
            f"the packages do not fit together: {said} Correct the pins in APP_REQUIREMENTS", done.stdout
        )
    # Each interpreter of the environment imports what keeps the overlay in force.
    (packages,) = Path(venv.path).glob("lib/python3*/site-packages")
    (packages / "channels_stack.pth").write_text("import channels_stack.entry_points\n")


def notices(present: dict[str, str], application: str) -> list[str]:
    """One line for each version of the application's that is unsafe or known to break."""
    from pip._vendor.packaging.specifiers import SpecifierSet

    return [
        f"{name} {present[name]} {wrong}: ask for {instead} in {Path(application).name} or, where another package "
        "brings it, in the file that APP_CONSTRAINTS names"
        for name, versions, wrong, instead in FLOORS
        if name in present and SpecifierSet(versions).contains(present[name], prereleases=True)
    ]


def main() -> int:
    """Install, warn, and check that everything fits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Venv, required=True)
    parser.add_argument("--application")
    parser.add_argument("--constraints", default="")
    parser.add_argument("--stack", nargs="+", default=[])
    parser.add_argument("--runtime")
    options = parser.parse_args()
    if options.runtime:
        add_runtime(options.venv, options.runtime)
        return 0
    present = install_application(options.venv, options.application, options.constraints)
    complete(options.venv, present, options.stack)
    for line in notices(present, options.application):
        tell(f"warning: {line}")
    Path(options.venv.path, "notices.txt").write_text("".join(f"{line}\n" for line in TOLD))
    for source in Path(options.venv.path).rglob("locale/*/LC_MESSAGES/*.po"):
        source.unlink()  # sources of the compiled translations beside them, 12 MB of Django's
    return 0


if __name__ == "__main__":
    sys.exit(main())
