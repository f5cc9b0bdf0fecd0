"""The verbs `adopt` and `doctor`, and what `make up` says of a project that stack.env does not describe."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from ..config import environments, texts
from ..config import settings as stack_settings
from ..console import Failure, say
from ..local.compose import quoted, replace
from ..paths import COMPOSE, EXAMPLE, ROOT, Deployment
from . import lines, variables
from .proposal import NAMES, NEEDED, Proposal, propose

SHOWN = 8
"""Names of variables that are listed one by one."""


def adopt(deployment: Deployment, path: str) -> None:
    """Write what is found in PATH to stack.env and app.env of DEPLOYMENT, report it, and what could not be determined."""
    if not path:
        raise Failure("say which project: make adopt P=../myproject")
    proposal = propose(Path(os.path.abspath(path)), stack_settings.of(deployment))
    environments.create(deployment, describing=NAMES)
    before = texts.read(deployment.settings)
    merged = lines.merge(before, EXAMPLE.read_text(), proposal.lines, NAMES)
    wanted = write_variables(deployment, proposal)
    replace(deployment.settings, merged.text if merged.changed else before)
    say(
        f"{deployment.settings}:"
        if merged.changed
        else f"{deployment.settings} says all that was found already"
    )
    for line in merged.changed:
        say(f"  {line}")
    for line in merged.kept:
        say(f"  {line}")
    tell_variables(deployment, proposal, wanted)
    if proposal.findings.questions:
        say("What could not be determined:")
        for line in proposal.findings.questions:
            say(f"  {line}")
    for line in proposal.findings.notes:
        say(f"Note: {line}")
    now = stack_settings.load(deployment.settings)
    lacking = [name for name in proposal.lacking if name not in stack_settings.parse(deployment.settings)]
    if lacking and not proposal.impossible:
        raise Failure(
            f"{', '.join(lacking)} could not be determined, see above: write it to {deployment.settings}, then make up"
        )
    say()
    say(f"What the doctor finds ({deployment.verb('doctor')}):")
    examine(proposal.folder, now)
    say()
    if proposal.impossible:
        raise Failure(proposal.impossible)
    say(f"Next: {deployment.verb('up')}")
    if proposal.has_users:
        say(f"Then the first user: {deployment.verb('manage')} C=createsuperuser")


def write_variables(deployment: Deployment, proposal: Proposal) -> list[variables.Variable]:
    """Name in app.env what the settings read and it does not name yet; returns those."""
    path = deployment.application
    existing = texts.read(path) if path.exists() else ""
    values = {
        variable.name: quoted(variable.value) for variable in proposal.variables if variable.value is not None
    }
    text, new = variables.text(proposal.variables, existing, values)
    if new:
        with path.open("w") as file:
            with contextlib.suppress(PermissionError):  # a colleague's file, who has decided on its mode
                os.fchmod(file.fileno(), 0o600)  # some of them are secrets
            file.write(text)
    return new


def tell_variables(deployment: Deployment, proposal: Proposal, new: list[variables.Variable]) -> None:
    """Say what app.env got, without a value, and what it wants from a person."""
    if new:
        say(f"{deployment.application}:")
        for variable in [variable for variable in new if variable.value is not None]:
            say(f"  {variable.name}    ({variable.place}; {variable.source})")
        bare = [variable.name for variable in new if variable.value is None and not variable.required]
        if bare:
            more = f" and {len(bare) - SHOWN} more" if len(bare) > SHOWN else ""
            say(f"  as comments, they have defaults: {', '.join(bare[:SHOWN])}{more}")
    given = stack_settings.parse(deployment.application) if deployment.application.exists() else {}
    unfilled = [
        f"{variable.name} ({variable.source})"
        for variable in proposal.variables
        if variable.unfilled and given.get(variable.name) == variable.value
    ]
    if unfilled:
        proposal.findings.questions.append(
            f"{', '.join(unfilled)}: the project's files leave these for you to write, and what uses them fails "
            f"without: write them to {deployment.application}"
        )
    for variable in proposal.variables:
        if variable.required and variable.value is None and variable.name not in given:
            hint = f"; {variable.source}" if variable.source else ""
            proposal.findings.questions.append(
                f"{variable.name}: {variable.place} wants this variable and no file of the project has its value "
                f"for production{hint}; write it to {deployment.application}"
            )


def project(settings: dict[str, str]) -> Path:
    """The application's folder."""
    return (COMPOSE / settings["APP_DIR"]).resolve()


def examine(folder: Path, settings: dict[str, str]) -> int:
    """Have the doctor read the project in FOLDER, as the APP_* lines of SETTINGS describe it; its exit code."""
    names = (
        "APP_PATH",
        "APP_SETTINGS",
        "APP_ASGI",
        "APP_REQUIREMENTS",
        "APP_DEBIAN",
        "APP_OVERLAY",
        "APP_REDIS",
    )
    environment = {**os.environ, **{name: settings[name] for name in names if name in settings}}
    environment |= {"PYTHONPATH": str(ROOT / "src/channels_stack"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "channels_stack", "doctor", "--deployed", str(folder)]
    return subprocess.run(command, env=environment, check=False).returncode


def doctor(deployment: Deployment, path: str) -> int:
    """Examine the project of DEPLOYMENT's stack.env, or the one in PATH as `adopt` would describe it; the exit code."""
    settings = (
        stack_settings.load(deployment.settings)
        if deployment.settings.exists()
        else stack_settings.defaults()
    )
    folder = Path(path).resolve() if path else project(settings)
    if folder != project(settings):
        try:
            settings = {line.name: line.value for line in propose(folder, settings).lines.values()}
        except Failure:
            settings = {}  # no project of Django's: the doctor has its own word for that, or reads the code alone
    return examine(folder, settings)


def undescribed(deployment: Deployment, settings: dict[str, str]) -> None:
    """Failure with what adopt would write, where stack.env names a project and not how it is started."""
    given = stack_settings.parse(deployment.settings) if deployment.settings.exists() else {}
    folder = project(settings)
    missing = [name for name in ("APP_SETTINGS", "APP_ASGI") if name not in given]
    if not missing or folder == project(stack_settings.defaults()) or not folder.is_dir():
        return
    proposal = propose(folder, settings)
    differs = [
        name for name in missing if proposal.lines.get(name) and proposal.lines[name].value != settings[name]
    ]
    if differs or set(missing) & set(proposal.lacking):
        found = [str(proposal.lines[name]) for name in (*NEEDED, "APP_PATH") if name in proposal.lines]
        raise Failure(
            f"{deployment.shown(deployment.settings)} has APP_DIR={settings['APP_DIR']} without {' and '.join(missing)}: "
            f"{deployment.verb(f'adopt P={folder}')} writes "
            f"{', '.join(found)} and what else it finds"
        )
