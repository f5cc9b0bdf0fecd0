"""Named environments of this machine, handled as an operator does: written to compose/environments, then `make VERB ENV=`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import stacks

ENVIRONMENTS = stacks.ROOT / "compose/environments"
SMALL = {
    "HTTP_REPLICAS": "1",
    "WS_REPLICAS": "1",
    "HTTP_PROCESSES": "1",
    "LOG_LEVEL": "debug",
    **stacks.BRIEF,
}


def clean() -> dict[str, str]:
    """The environment of a `make` that a person calls."""
    return {**stacks.outside_make(), "ENGINE": "keep"}


def command(verb: str, *variables: str) -> str:
    """What `make VERB` prints, where it must succeed."""
    ended = run(verb, *variables)
    assert ended.returncode == 0, f"make {verb}\n{ended.stdout}"
    return ended.stdout


def make(verb: str, name: str, *variables: str) -> subprocess.CompletedProcess[str]:
    """What `make VERB ENV=NAME` does and prints."""
    return run(verb, f"ENV={name}", *variables)


def run(verb: str, *variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", verb, *variables],
        cwd=stacks.ROOT,
        env=clean(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=stacks.START_SECONDS,
        check=False,
    )


def done(verb: str, name: str, *variables: str) -> str:
    """The same where it must succeed."""
    return command(verb, f"ENV={name}", *variables)


def written(name: str, **settings: str) -> Path:
    """The folder of a new environment with SETTINGS, as an operator writes them below the example's."""
    folder = ENVIRONMENTS / name
    folder.mkdir(parents=True)
    lines = {"BIND_ADDRESS": "127.0.0.1", **stacks.machine_settings(), **SMALL, **settings}
    text = (stacks.ROOT / "compose/stack.env.example").read_text()
    (folder / "stack.env").write_text(text + "".join(f"{key}={value}\n" for key, value in lines.items()))
    return folder


def removed(folder: Path) -> None:
    make("purge", folder.name, "CONFIRM=yes")
    shutil.rmtree(folder)


def remove_stale(prefix: str) -> None:
    """Remove environments PREFIX-PID of test runs that were killed."""
    for folder in ENVIRONMENTS.glob(f"{prefix}-*"):
        if not Path("/proc", folder.name.removeprefix(f"{prefix}-")).exists():
            removed(folder)


def things(project: str) -> dict[str, set[str]]:
    """Names of the containers, networks and volumes of PROJECT."""
    chosen = ["--filter", f"label=com.docker.compose.project={project}", "--format"]
    listed = {"{{.Names}}": ["ps", "--all"], "{{.Name}}": ["network", "ls"], " {{.Name}}": ["volume", "ls"]}
    return {words[0]: set(stacks.docker(*words, *chosen, form).split()) for form, words in listed.items()}
