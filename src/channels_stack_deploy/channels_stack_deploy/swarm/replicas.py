"""What the containers of one host say: which paths their application has, and why they do not serve."""

from __future__ import annotations

from ..checks import reasons
from ..config.services import VISITED
from .engine import NAMESPACE, Engine


def containers(engine: Engine) -> list[tuple[str, str, str]]:
    """(name, service, state) of the containers of this host's engine that belong to the stack, the newest first."""
    form = '{{.Names}} {{.Label "com.docker.swarm.service.name"}} {{.State}}'
    listed = engine.docker(
        "ps", "--all", "--filter", f"label={NAMESPACE}={engine.stack}", "--format", form
    ).splitlines()
    rows = [line.split() for line in listed]
    return [(row[0], row[1].removeprefix(f"{engine.stack}_"), row[2]) for row in rows if len(row) == 3]


def routes(engine: Engine) -> str:
    """The JSON of `channels-stack paths`; "" where no replica of this host answers."""
    for service in reversed(VISITED):
        for name, own, state in containers(engine):
            if own == service and state == "running":
                code, out, _ = engine.attempt("exec", name, "channels-stack", "paths")
                if not code:
                    return out.strip()
    return ""


def why(engine: Engine) -> list[str]:
    """The reasons of this host's replicas: of those that run, else of the last one that did."""
    found = containers(engine)
    running = {service for _, service, state in found if state == "running"}
    shown: dict[str, str] = {}
    for name, service, state in found:
        if state == "running" or (service not in running and service not in shown.values()):
            shown[name] = service
    host = engine.docker("info", "--format", "{{.Name}}").strip()

    def run(words: list[str]) -> tuple[int, str]:
        code, out, complaint = engine.attempt(*words)
        return code, out + complaint

    return reasons.lines(run, shown.items(), host)
