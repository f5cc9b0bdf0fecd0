#!/usr/bin/env python3
"""Fill the application's virtual environment: its own dependencies first, then what the stack needs to serve it.

    install.py --venv /opt/venv --project FOLDER --path ROOT:… --application FILE[group] [--constraints FILE] --stack LOCK…
    install.py --venv /opt/venv --runtime WHEEL

FILE is what the application's tool has, seen from its FOLDER (`dependencies`); [group] is one of its groups or extras.
ROOTs are the folders below it that are on Python's path.
What the application pins stays: it knows why. Of the stack's locks only that is added which is missing, with its
hashes; where that does not fit alongside the application's versions, it is resolved again within them, and one line
says so. So does one line for each version that is unsafe or known to break. A build that finds its layers in the cache
says nothing: so these lines stay in the environment as notices.txt, and each release prints them again. `pip check` has
the last word.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import imports
import installed
from dependencies import itself, read
from dependencies.pythons import wanted_pythons
from dependencies.reading import Unreadable, canonical
from extras import clashes

DRIVERS = {"psycopg", "psycopg2", "psycopg2-binary"}
"""Ways to speak to PostgreSQL: an application that has one needs no other."""

COMPILED = {"psycopg-binary", "psycopg-c", "psycopg2", "psycopg2-binary"}
"""Of these, what brings libpq with it or was compiled with the system's."""

FLOORS = (
    ("django", "<5.2.19", "lacks security fixes that 5.2.19 has", "django>=5.2.19"),
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

PYTHONS = {"trixie": "3.13", "forky": "3.14", "bookworm": "3.11", "bullseye": "3.9"}
"""APP_DEBIAN -> the Python of that release, the one to prefer first."""

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def run(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run COMMAND in FOLDER; its output, both streams together, is in `stdout`."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)


REPORTED: list[str] = []
"""Lines that this run has printed."""


def tell(text: str) -> None:
    """One line for the operator; the tool behind `make up` looks for this beginning and shows the rest."""
    print(f"install.py: {text}", flush=True)
    REPORTED.append(text.removeprefix("warning: "))


def fail(text: str, output: str = "") -> SystemExit:
    """The end of the build: OUTPUT of what failed, then one line that says what and the fix."""
    print(output.strip(), flush=True)
    return SystemExit(f"install.py: {text}")


class Venv:
    """The virtual environment at PATH, which has no pip of its own: this interpreter's fills it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def pip(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run pip on it, in FOLDER; the result says whether that went well."""
        return run(
            sys.executable, "-m", "pip", "--python", f"{self.path}/bin/python", *arguments, folder=folder
        )

    def packages(self) -> dict[str, str]:
        """Package name -> version."""
        return {name: one.version for name, one in installed.by_name(self.site_packages).items()}

    @property
    def site_packages(self) -> Path:
        """The folder that its packages are in."""
        (folder,) = Path(self.path).glob("lib/python3*/site-packages")
        return folder

    def versions(self, package: str, before: str) -> list[str]:
        """The versions of PACKAGE, the newest first, that the index had BEFORE a day, if it says when it got them."""
        return imports.listed(
            self.pip("index", "versions", package, "--uploaded-prior-to", f"{before}T00:00:00Z").stdout
        )

    def conflicts(self) -> list[str]:
        """What `pip check` complains about."""
        done = self.pip("check")
        return done.stdout.splitlines() if done.returncode else []


def entries(lock: str) -> dict[str, str]:
    """Package name -> its lines of a compiled requirements file."""
    text = re.sub(r"^\s*#.*\n", "", lock, flags=re.M)
    blocks = re.findall(r"^(\S.*(?:\n[ \t]+\S.*)*)", text, flags=re.M)
    return {canonical(re.split(r"[=\[ ;]", block, maxsplit=1)[0]): block for block in blocks}


def install_application(venv: Venv, project: Path, application: str, constraints: str) -> dict[str, str]:
    """Install what the application asks for, from within PROJECT as its developers do; package name -> version then."""
    name, _, group = application.rstrip("]").partition("[")
    for place, wanted in wanted_pythons(project, project / name):
        refuse_python(place, wanted)
    try:
        lines, notices = read(project / name, group, project)
    except Unreadable as error:
        raise fail(str(error)) from None
    for line in notices:
        tell(line)
    limits = ["--constraint", str(project / constraints)] if constraints else []
    done = install_lines(venv, lines, *limits, folder=project)
    if done.returncode:
        raise fail(why(done.stdout), "\n".join(done.stdout.splitlines()[-20:]))
    lines = fit_extras(venv, lines, *limits, folder=project)
    fit_imports(venv, lines, *limits, folder=project)
    present = venv.packages()
    problem = unfit(present)
    if problem:
        raise fail(f"{Path(application).name} {problem}")
    return present


def install_lines(
    venv: Venv, lines: list[str], *options: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Install LINES of a requirements file, whose paths are seen from FOLDER."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{line}\n" for line in lines))
        file.flush()
        return venv.pip("install", "--requirement", file.name, *options, folder=folder)


def fit_extras(venv: Venv, lines: list[str], *options: str, folder: Path) -> list[str]:
    """Where packages do not work with each other, which only their extras say: others that do, within the LINES.

    Returns the LINES with what was added.
    """
    for clash in clashes(venv.site_packages):
        if install_lines(venv, [*lines, clash.requirement], *options, folder=folder).returncode:
            tell(f"warning: {clash}: change the pin of one of them in APP_REQUIREMENTS or APP_CONSTRAINTS")
        else:
            lines = [*lines, clash.requirement]
            now = venv.packages()
            before = {clash.package: clash.version, clash.other: clash.present}
            taken = [f"{name} {now[name]}" for name in before if now[name] != before[name]]
            tell(f"{' and '.join(taken)} was taken, because {clash}")
    return lines


def fit_imports(venv: Venv, lines: list[str], *options: str, folder: Path) -> None:
    """Where what LINES ask for cannot be imported with what they leave open: that as it was when the former was made.

    A lock leaves nothing open.
    """
    if any("--hash=" in line for line in lines):
        return
    asked = {canonical(re.split(r"[\s=<>!~;\[@]", line, maxsplit=1)[0]) for line in lines}
    broken, late = find_broken(venv, asked)
    if late:
        tell(
            f"whether {', '.join(sorted(late))} can be imported is not known: it took more than {imports.EACH_SECONDS} s, or all "
            f"imports more than {imports.MOST_SECONDS} s"
        )
    asked -= late
    hopeless: set[str] = set()
    while problem := next((each for each in broken if each.package not in hopeless), None):
        package, present = problem.package, venv.packages()
        why = (
            f"{package} {present[package]} cannot be imported with {problem.culprit} {present[problem.culprit]} "
            f"({problem.message})"
        )
        day = imports.day_of(venv.versions, package, present[package])
        pinned = {canonical(line.partition("==")[0].partition("[")[0]) for line in lines if "==" in line}
        limits = {}
        for name in sorted(imports.needs(venv.site_packages, package, pinned)) if day else ():
            newest = next(iter(venv.versions(name, day)), present[name])
            limits |= {} if newest == present[name] else {name: newest}
        wanted = [*lines, *(f"{name}<={newest}" for name, newest in limits.items())]
        fits = limits and not install_lines(venv, wanted, *options, folder=folder).returncode
        remaining, late = find_broken(venv, asked) if fits else (broken, set())
        # Another package that wants a newer one would only be broken instead.
        if {each.package for each in remaining} | late < {each.package for each in broken}:
            lines, broken = wanted, remaining
            now = venv.packages()
            taken = ", ".join(f"{name} {now[name]}" for name in limits if now[name] != present[name])
            tell(f"{taken}: taken as of {day}, because {why}")
        else:
            hopeless.add(package)
            restore(venv, present, lines, *options, folder=folder)
            tell(
                f"warning: {why}: name a version of {problem.culprit} that works in APP_REQUIREMENTS or APP_CONSTRAINTS"
            )


def restore(venv: Venv, present: dict[str, str], lines: list[str], *options: str, folder: Path) -> None:
    """Go back from what was tried to the packages that were PRESENT, which pip chose for LINES."""
    now = venv.packages()
    if now == present:
        return
    other = [f"{name}=={version}" for name, version in present.items() if now.get(name) != version]
    output = install_lines(venv, [*lines, *other], *options, folder=folder).stdout
    if added := venv.packages().keys() - present.keys():
        output += venv.pip("uninstall", "--yes", *added).stdout
    if venv.packages() != present:
        raise fail(
            f"older versions were tried and do not work, and pip could not go back to {', '.join(other)}, see above: "
            "build again, or name versions that the index has in APP_REQUIREMENTS or APP_CONSTRAINTS",
            output,
        )


def find_broken(venv: Venv, asked: set[str]) -> tuple[list[imports.Broken], set[str]]:
    """Those of the packages ASKED for that cannot be imported because of another; and those not judged in time."""
    return imports.broken(f"{venv.path}/bin/python", venv.site_packages, asked)


PKG_RESOURCES = re.compile(r"^(import pkg_resources|from pkg_resources import)", re.M)
"""At the left margin: no try is around it."""


def importer_of_pkg_resources(packages: Path) -> str:
    """A module below PACKAGES (site-packages) that needs pkg_resources; "" where none does."""
    for path in sorted(packages.rglob("*.py")):
        name = path.relative_to(packages).as_posix()
        if not re.search(
            r"(^|/)(tests?|__main__|pkg_resources|setuptools)(/|\.py$)", name
        ) and PKG_RESOURCES.search(path.read_text(encoding="utf-8", errors="replace")):
            return name
    return ""


def add_setuptools(venv: Venv, present: dict[str, str]) -> dict[str, str]:
    """Install setuptools where a package imports its pkg_resources, which was once in every venv; what is PRESENT then."""
    packages = venv.site_packages
    importer = "" if (packages / "pkg_resources").is_dir() else importer_of_pkg_resources(packages)
    if not importer:
        return present
    done = venv.pip("install", "setuptools<81")  # 82 has no pkg_resources any more
    if done.returncode:
        raise fail(f"{importer} needs setuptools<81: ask for it in APP_REQUIREMENTS", done.stdout)
    tell(f"setuptools<81 was added, because {importer} imports pkg_resources")
    return venv.packages()


def refuse_python(place: str, wanted: str, here: str = "") -> None:
    """Fail where the Python of this image is too old for what PLACE has WANTED; one that is too new is reported."""
    here = here or HERE
    if allows(wanted, here):
        return
    mismatch = f"{place} requires Python {wanted}, and this image has {here}"
    # 3.13 is refused by >=3.14, which it is too old for, and by <3.13, which people write without having tried.
    if any(allows(wanted, f"{major}.{minor}") for major, minor in NEWER if (major, minor) > version(here)):
        raise fail(f"{mismatch}: {other_debian([wanted], here)}")
    tell(f"{mismatch}: where that is more than caution, {other_debian([wanted], here)}")


NEWER = [(3, minor) for minor in range(9, 40)]


def allows(wanted: str, python: str) -> bool:
    """Whether the specifiers WANTED allow a PYTHON such as 3.13, in one of its patch releases."""
    from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        specifiers = SpecifierSet(wanted)
    except InvalidSpecifier:
        return True  # not in a form that this reads
    return any(specifiers.contains(f"{python}.{patch}") for patch in (0, 5, 99))


def other_debian(wanted: list[str], here: str = "") -> str:
    """The way to a Python that all of WANTED allow: the setting, or that there is none."""
    fitting = [
        f"APP_DEBIAN={suite} (Python {python})"
        for suite, python in PYTHONS.items()
        if python != (here or HERE) and all(allows(each, python) for each in wanted)
    ]
    known = ", ".join(f"{suite} {python}" for suite, python in PYTHONS.items())
    return f"set {fitting[0]}" if fitting else f"no Debian release has that ({known})"


def unfit(present: dict[str, str]) -> str:
    """Why the packages that are PRESENT cannot be an application's; a Django without Channels can."""
    if "django" not in present:
        return "does not ask for Django: is it the right APP_REQUIREMENTS?"
    if "channels" in present and version(present["channels"]) < OLDEST_CHANNELS:
        return (
            f"asks for channels {present['channels']}, which is too old for this stack: it runs Channels 4: ask for channels>=4 "
            "(and for daphne>=4 and channels-redis>=4, where it pins them)"
        )
    return ""


def why(output: str) -> str:
    """What pip's OUTPUT means for the operator, in one line with the fix."""
    python = f"Python {HERE}"
    others = ", ".join(f"{name}: Python {version}" for name, version in PYTHONS.items() if version != HERE)
    older = f"another APP_DEBIAN ({others})"
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
    if missing and (others := re.findall(r"([\w.!+-]+) Requires-Python ([^;\n]+)", output)):
        # pip names what it passed over; of a pin that is the version, of anything else the newest.
        exact = [wanted for number, wanted in others if missing[0].strip().endswith(f"=={number}")]
        wanted = (exact or [others[-1][1]])[0].strip()
        return (
            f"there is no {missing[0].strip()} for {python}, it requires Python {wanted}: "
            f"correct it in APP_REQUIREMENTS, or {other_debian([wanted])}"
        )
    if missing:
        return (
            f"there is no {missing[0].strip()} for {python}: correct it in APP_REQUIREMENTS, or take {older}"
        )
    if "Cannot find command 'git'" in output:
        return "a requirement comes from a git repository: name git in APP_BUILD_PACKAGES"
    if "ResolutionImpossible" in output:
        return "the versions asked for contradict each other, pip names them above: correct APP_REQUIREMENTS"
    elsewhere = re.search(r"cannot declare direct URL dependencies\.\s*(\S+) depends on", output)
    if elsewhere:
        return (
            f"pip refuses {elsewhere[1]}, which asks for another package by its URL: ask for a newer {elsewhere[1]} in "
            "APP_REQUIREMENTS"
        )
    wrong = re.findall(r"^ERROR: (Invalid requirement.+|Could not open requirements file.+)", output, re.M)
    if wrong:
        return f"APP_REQUIREMENTS: {wrong[0].strip()}"
    return "pip could not install the application's requirements; see its message above"


def version(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[a-z+]", text, maxsplit=1)[0]))


def complete(venv: Venv, present: dict[str, str], locks: list[str]) -> None:
    """Add what the stack needs in addition to the packages that are PRESENT."""
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
            "what serves the application does not fit alongside its pins; pip's message above names them. Raise those, "
            "or choose the other server (SERVER_HTTP, SERVER_WS)",
            "\n".join(done.stdout.splitlines()[-20:]),
        )
    now = venv.packages()
    other = [f"{name} {now[name]}" for name, block in missing.items() if f"=={now.get(name)} " not in block]
    tell(
        f"the stack's lock does not fit here, resolved again and without its hashes: "
        f"{', '.join(other) or 'what it lacks for this Python'}"
    )


def register(venv: Venv, project: Path, roots: list[Path]) -> None:
    """Give each project in ROOTS, of the folder PROJECT, the metadata of a package, unless one has its name."""
    present = venv.packages()
    unread: list[str] = []
    for each in itself.projects(project, roots, unread):
        if canonical(each.name) not in present:
            each.write(venv.site_packages)
    for line in unread:
        tell(line)


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
        reason = "; ".join(conflicts) or "see pip's message above."
        raise fail(
            f"the packages do not fit together: {reason} Correct the pins in APP_REQUIREMENTS", done.stdout
        )
    # Each interpreter of the environment imports what keeps the overlay in effect.
    (venv.site_packages / "channels_stack.pth").write_text("import channels_stack.entry_points\n")


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
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--path", default="")
    parser.add_argument("--application")
    parser.add_argument("--constraints", default="")
    parser.add_argument("--stack", nargs="+", default=[])
    parser.add_argument("--runtime")
    options = parser.parse_args()
    if options.runtime:
        add_runtime(options.venv, options.runtime)
        return 0
    present = install_application(options.venv, options.project, options.application, options.constraints)
    present = add_setuptools(options.venv, present)
    complete(options.venv, present, options.stack)
    register(options.venv, options.project, [Path(root) for root in options.path.split(":")])
    for line in notices(present, options.application):
        tell(f"warning: {line}")
    Path(options.venv.path, "notices.txt").write_text("".join(f"{line}\n" for line in REPORTED))
    for source in Path(options.venv.path).rglob("locale/*/LC_MESSAGES/*.po"):
        source.unlink()  # sources of the compiled translations next to them, 12 MB of Django's
    return 0


if __name__ == "__main__":
    sys.exit(main())
