"""What a project installs: which of its files says so, which packages it names, and what of Debian's those need."""

from __future__ import annotations

import ast
import configparser
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any

from channels_stack.doctor.settings_modules import PRODUCTION_WORDS

from . import locks, tables, workspaces
from .findings import Findings
from .tree import Tree

LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")
DECLARED = ("pyproject.toml", "setup.cfg", "setup.py")
PLAIN = ("requirements", "base", "common", "main", "default", "runtime", "all")
"""Names of requirements files that are not for one environment."""

DEVELOPMENT = re.compile(
    r"\b(dev|develop|development|test|tests|testing|docs?|lint|typing|ci|all)\b", re.IGNORECASE
)
"""Extras and groups that no server is installed with."""

NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
LDAP = {"bullseye": "libldap-2.4-2", "bookworm": "libldap-2.5-0", "trixie": "libldap2", "forky": "libldap2"}
COMPILER = "gcc python3-dev"
OPENCV = "libgl1 libglib2.0-0"

DEBIAN: dict[str, tuple[str, str]] = {
    "psycopg2": ("libpq5", f"{COMPILER} libpq-dev"),
    "psycopg-c": ("libpq5", f"{COMPILER} libpq-dev"),
    "mysqlclient": ("libmariadb3", f"{COMPILER} libmariadb-dev pkg-config"),
    "gdal": ("gdal-bin", "g++ python3-dev libgdal-dev"),
    "python-magic": ("libmagic1", ""),
    "weasyprint": ("libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0", ""),
    "pysaml2": ("xmlsec1", ""),
    "python-ldap": ("{ldap} libsasl2-2", f"{COMPILER} libldap2-dev libsasl2-dev"),
    "django-auth-ldap": ("{ldap} libsasl2-2", f"{COMPILER} libldap2-dev libsasl2-dev"),
    "uwsgi": ("", COMPILER),
    "pygraphviz": ("graphviz", f"{COMPILER} libgraphviz-dev pkg-config"),
    "graphviz": ("graphviz", ""),
    "pytesseract": ("tesseract-ocr", ""),
    "pdf2image": ("poppler-utils", ""),
    "ffmpeg-python": ("ffmpeg", ""),
    "pydub": ("ffmpeg", ""),
    "opencv-python": (OPENCV, ""),
    "opencv-contrib-python": (OPENCV, ""),
    "ultralytics": (OPENCV, ""),
    "mediapipe": (OPENCV, ""),
    "pyodbc": ("unixodbc", ""),
    "sounddevice": ("libportaudio2", ""),
    "pyaudio": ("libportaudio2", f"{COMPILER} portaudio19-dev"),
    "cairosvg": ("libcairo2", ""),
    "cairocffi": ("libcairo2", ""),
    "pyzbar": ("libzbar0", ""),
    "pycairo": ("libcairo2", f"{COMPILER} libcairo2-dev pkg-config"),
}
"""Package without wheels, or that calls a library or program -> (Debian's to run it, to build it), on every release."""

GEODJANGO = "binutils gdal-bin libproj-dev"
"""What Django's documentation names for django.contrib.gis on Debian."""


@dataclass
class Installed:
    """What the chosen file asks for: package -> file:line where it does."""

    file: str = ""
    group: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    git: str = ""
    """file:line of a requirement that comes from a repository."""
    findings: Findings = field(default_factory=Findings)

    def lacks(self, package: str) -> bool:
        """Whether PACKAGE is certainly not installed: only a lock names what other packages bring."""
        return os.path.basename(self.file) in LOCKS and package not in self.packages


def canonical(name: str) -> str:
    """The one spelling of a package name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find(tree: Tree, folders: list[str]) -> Installed:
    """What the project asks for in the first of FOLDERS that says it."""
    installed = Installed()
    candidates = list(dict.fromkeys(path for folder in folders for path in _candidates(tree, folder)))
    readable = {path: found for path in candidates if _asks_for_django(found := _packages(tree, path))}
    by_extra = {} if readable else {path: extra for path in candidates if (extra := _extra(tree, path))}
    readable |= {path: _packages(tree, path) for path in by_extra}
    named = _named_by_plans(tree, folders, readable)
    if not readable:
        installed.findings.questions.append(_none(tree, folders, candidates))
        return installed
    path = named[0] if named else next(iter(readable))
    why = f"{named[1]} installs it" if named else path
    installed.file, installed.packages = path, readable[path]
    installed.group = _production_group(tree, path) or by_extra.get(path, "")
    if installed.group:
        installed.packages = installed.packages | _group_packages(tree, path, installed.group)
    value = f"{path}[{installed.group}]" if installed.group else path
    installed.findings.line("APP_REQUIREMENTS", value, why)
    others = [other for other in readable if other != path and not _leads_to(tree, path, other)]
    same = [
        other
        for other in others
        if os.path.dirname(other) == os.path.dirname(path) or "requirements" in other
    ]
    if same and not named and os.path.basename(path) not in LOCKS:
        installed.findings.notes.append(f"APP_REQUIREMENTS: {path} is taken of {', '.join([path, *same])}")
    installed.git = next((place for name, place in installed.packages.items() if name.startswith("git+")), "")
    return installed


def _candidates(tree: Tree, folder: str) -> list[str]:
    """Files below FOLDER that may say what to install, the likeliest first."""

    def at(*parts: str) -> str:
        return os.path.normpath(os.path.join(folder, *parts))

    paths = [at(name) for name in LOCKS]
    plain = []
    places = [
        ("requirements", ""),
        ("reqs", ""),
        ("deps", ""),
        ("", "requirements-"),
        ("", "requirements_"),
        ("", "requirements."),
    ]
    for sub, prefix in places:
        paths += [at(sub, f"{prefix}{word}.txt") for word in PRODUCTION_WORDS]
        plain += [at(sub, f"{prefix}{word}.txt") for word in PLAIN]
    paths += [at("requirements.txt"), *plain, *(at(name) for name in DECLARED)]
    return [path for path in dict.fromkeys(paths) if (tree.root / path).is_file()]


def _named_by_plans(
    tree: Tree, folders: list[str], readable: dict[str, dict[str, str]]
) -> tuple[str, str] | None:
    """(requirements file, file:line) that a Dockerfile or a script of the project installs."""
    named: dict[str, str] = {}
    for place, match in tree.plans(
        r"(?:-r|--requirement)[\s=]+[\"']?(?:\S*/)?((?:requirements|reqs|deps)\S*?\.txt)"
    ):
        for folder in folders:
            for path in (
                os.path.normpath(os.path.join(folder, match[1])),
                os.path.join(folder, "requirements", match[1]),
            ):
                if path in readable:
                    named.setdefault(path, place)
    return next(iter(named.items())) if len(named) == 1 else None


def _asks_for_django(packages: dict[str, str]) -> bool:
    return bool({"django", "channels"} & packages.keys())


def _none(tree: Tree, folders: list[str], candidates: list[str]) -> str:
    for folder in folders:
        for name in ("environment.yml", "environment.yaml", "conda.yml", "Pipfile"):
            path = os.path.normpath(os.path.join(folder, name))
            if not tree.exists(path):
                continue
            if name == "Pipfile":
                return f"APP_REQUIREMENTS: {path} has no Pipfile.lock next to it: make it with pipenv lock, and adopt again"
            return (
                f"APP_REQUIREMENTS: {path} is conda's, whose names and builds pip does not know: in that environment, "
                f"`pip list --format=freeze > {os.path.join(folder, 'requirements.txt')}`, and adopt again"
            )
    if candidates:
        return (
            f"APP_REQUIREMENTS: {', '.join(candidates)} asks for neither Django nor Channels: write into a requirements.txt what "
            "the project needs to run (pip freeze > requirements.txt), and adopt again"
        )
    return (
        "APP_REQUIREMENTS: no file says what to install: write a requirements.txt (pip freeze > requirements.txt, or a line "
        "Django and a line channels), and adopt again"
    )


# --- Reading one file --------------------------------------------------------------------------------


def _packages(tree: Tree, path: str, above: tuple[str, ...] = ()) -> dict[str, str]:
    """Package -> file:line of the file at PATH and those that it includes."""
    if path in above or not (tree.root / path).is_file():
        return {}
    name, text = os.path.basename(path), tree.text(path)
    try:
        if name in LOCKS and name != "Pipfile.lock":
            names = locks.names(name, text, _production_group(tree, path))
        elif name == "Pipfile.lock":
            content = json.loads(text)
            default = content.get("default") if isinstance(content, dict) else None
            names = list(default) if isinstance(default, dict) else []
        elif name == "pyproject.toml" and (found := workspaces.locked(tree, path, canonical)):
            return _places(found[0], tree.text(found[0]), found[1])
        elif name == "pyproject.toml":
            return _places(path, text, _declared(tree, path, tables.read(text, tables.DECLARED)))
        elif name == "setup.cfg":
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(text)
            names = parser.get("options", "install_requires", fallback="").splitlines()
        elif name == "setup.py":
            names = _of_setup_py(text)
        else:
            return _of_requirements(tree, path, text, above)
    except (ValueError, configparser.Error, SyntaxError, RecursionError):
        return {}
    return _places(path, text, names)


def _places(path: str, text: str, lines: list[str]) -> dict[str, str]:
    """Package -> file:line for the requirements LINES that TEXT holds somewhere."""
    found = {}
    places: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", line):
            places.setdefault(canonical(word), number)
    for line in lines:
        match = NAME.match(line)
        if match:
            name = canonical(match[1])
            found[name] = f"{path}:{places.get(name, 1)}"
            if "psycopg" in name and re.match(r"\s*psycopg\[[^\]]*\bc\b", line):
                found["psycopg-c"] = found[name]
        if re.search(r"\b(git|hg|svn)\+", line):
            found["git+"] = f"{path}:{places.get(canonical(match[1]) if match else '', 1)}"
    return found


def _of_requirements(tree: Tree, path: str, text: str, above: tuple[str, ...]) -> dict[str, str]:
    places: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        included = re.match(r"(?:-r|--requirement)[\s=]*(\S+)", line)
        folder = re.match(r"(?:-e\s+|--editable[\s=]+)?(\.[\w./-]*)(\[[\w,\s-]*\])?\s*(;.*)?$", line)
        if included:
            other = os.path.normpath(os.path.join(os.path.dirname(path), included[1]))
            places |= _packages(tree, other, (*above, path))
        elif folder:
            for name in DECLARED:
                places |= _packages(tree, os.path.normpath(os.path.join(folder[1], name)), (*above, path))
        else:
            places |= dict.fromkeys(_places(path, line, [line]), f"{path}:{number}")
    return places


def _declared(tree: Tree, path: str, project: dict[str, Any]) -> list[str]:
    """The requirements that a pyproject.toml declares, Poetry's as well."""
    table = project.get("project", {})
    poetry = project.get("tool", {}).get("poetry", {})
    requirements = [*table.get("dependencies", []), *poetry.get("dependencies", {})]
    if "dependencies" in table.get("dynamic", []):
        for name in ("setup.cfg", "setup.py"):
            requirements += _packages(tree, os.path.join(os.path.dirname(path), name))
    return requirements


def _of_setup_py(text: str) -> list[str]:
    """The constants of install_requires; a setup.py that computes them names none."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.keyword)
            and node.arg == "install_requires"
            and isinstance(node.value, ast.List)
        ):
            return [
                element.value
                for element in node.value.elts
                if isinstance(element, ast.Constant) and isinstance(element.value, str)
            ]
    return re.findall(r"[\"'](django|channels)\b", text, re.I)


def _groups(tree: Tree, path: str) -> dict[str, list[str]]:
    """Group or extra -> requirements, of the pyproject.toml of PATH."""
    try:
        text = tree.text(os.path.join(os.path.dirname(path), "pyproject.toml"))
        project = tables.read(text, tables.DECLARED)
    except ValueError:
        return {}
    groups = {
        **project.get("project", {}).get("optional-dependencies", {}),
        **project.get("dependency-groups", {}),
    }
    for name, table in project.get("tool", {}).get("poetry", {}).get("group", {}).items():
        groups[name] = list(table.get("dependencies", {}))
    return {name: [line for line in lines if isinstance(line, str)] for name, lines in groups.items()}


def _production_group(tree: Tree, path: str) -> str:
    if os.path.basename(path) not in ("uv.lock", "poetry.lock", "pdm.lock", "pyproject.toml"):
        return ""
    groups = _groups(tree, path)
    return next((word for word in PRODUCTION_WORDS if word in groups), "")


def _extra(tree: Tree, path: str) -> str:
    """The extra of a pyproject.toml that brings Django, as of a package whose client needs none; "" where it is not certain."""
    if os.path.basename(path) != "pyproject.toml":
        return ""
    extras = {
        name: _group_packages(tree, path, name)
        for name in _groups(tree, path)
        if not DEVELOPMENT.search(name)
    }
    for package in ("channels", "django"):
        found = [name for name, packages in extras.items() if package in packages]
        if found:
            return found[0] if len(found) == 1 else ""
    return ""


def _group_packages(tree: Tree, path: str, group: str) -> dict[str, str]:
    other = os.path.join(os.path.dirname(path), "pyproject.toml")
    return _places(other, tree.text(other), _groups(tree, path)[group])


def _leads_to(tree: Tree, path: str, other: str) -> bool:
    """Whether the requirements file PATH includes OTHER."""
    return any(place.startswith(f"{other}:") for place in _packages(tree, path).values())


# --- Debian's packages -------------------------------------------------------------------------------


def debian(installed: Installed, suite: str, geo: str) -> Findings:
    """APP_PACKAGES and APP_BUILD_PACKAGES; GEO is the file:line of django.contrib.gis among the applications."""
    findings = Findings()
    run: dict[str, str] = {}
    build: dict[str, str] = {}
    for name, (needed, compiling) in DEBIAN.items():
        place = installed.packages.get(name)
        if place and not (
            name == "psycopg2" and "psycopg2-binary" in installed.packages and ".lock:" not in place
        ):
            run |= dict.fromkeys(needed.format(ldap=LDAP[suite]).split(), f"{name} ({place})")
            build |= dict.fromkeys(compiling.split(), f"{name} ({place})")
    if installed.git:
        build["git"] = f"a requirement from a repository ({installed.git})"
    if geo:
        run |= dict.fromkeys(GEODJANGO.split(), f"django.contrib.gis ({geo})")
    for name, packages in (("APP_PACKAGES", run), ("APP_BUILD_PACKAGES", build)):
        if packages:
            findings.line(name, " ".join(packages), f"for {', '.join(dict.fromkeys(packages.values()))}")
    return findings
