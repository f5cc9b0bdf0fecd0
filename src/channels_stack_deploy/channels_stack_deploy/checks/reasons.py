"""Why a stack does not serve: of each container its state, what its health check and its readiness say, and its last lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from ..config.services import VISITED

Run = Callable[[list[str]], "tuple[int, str]"]
"""`docker` with these words -> exit code and what it printed, on both of its outputs."""

ABOVE = "the stack does not serve; the lines above say what each replica has to say"
"""The line above the list of what was not answered."""

LINES, LOOKED_AT = 15, 300
"""Lines of a log to show, of so many of the last ones: those about requests that were answered are left out."""

REPLICAS = ("edge", *VISITED)
"""Services that a visitor's request goes through, in this order."""

READY = (
    "import http.client as client; asked = client.HTTPConnection('127.0.0.1', 8000, timeout=4); "
    "asked.request('GET', '/-/ready'); answer = asked.getresponse(); "
    "print(answer.status, answer.read(4000).decode('utf-8', 'replace').strip())"
)


def lines(run: Run, containers: Iterable[tuple[str, str]], host: str = "") -> list[str]:
    """Of CONTAINERS (name, service): a block of lines each, nothing secret in them but what the application logs.

    HOST is named where there may be several. Services that are not among REPLICAS are left out.
    """
    lines: list[str] = []
    replicas = [container for container in containers if container[1] in REPLICAS]
    for name, service in sorted(replicas, key=lambda each: (REPLICAS.index(each[1]), each[0])):
        state, health = _state(run, name)
        lines.append(f"{service}{f' on {host}' if host else ''} ({name}): {state}")
        lines += [f"    health check: {line}" for line in health.splitlines()[-3:]]
        if state.startswith("running") and service in VISITED:
            lines += [
                f"    readiness: {line}" for line in _last(run, ["exec", name, "python", "-c", READY], 1)
            ]
        if state.startswith("running") and service == "edge":
            lines.append(f"    sends requests to: {_replicas(run, name)}")
        lines += [f"    {line}" for line in _log(run, name)]
    return lines


def _state(run: Run, name: str) -> tuple[str, str]:
    code, text = run(["inspect", "--format", "{{json .State}}", name])
    try:
        state = json.loads(text)
    except ValueError:
        return "gone" if code else "unknown", ""
    words = [state["Status"]]
    health = state.get("Health") or {}
    if health.get("Status"):
        words.append(health["Status"])
    if state["Status"] != "running":
        words.append(f"exit code {state['ExitCode']}")
    if state.get("OOMKilled"):
        words.append("killed: it needed more memory than it may have")
    log = health.get("Log") or []
    return ", ".join(words), (log[-1].get("Output") or "").strip() if log else ""


def _replicas(run: Run, name: str) -> str:
    _, text = run(["exec", name, "edge", "status"])
    try:
        replicas = json.loads(text).get("replicas", {})
    except ValueError:
        return "it does not say"
    return (
        ", ".join(f"{service} {' '.join(those) or 'none'}" for service, those in replicas.items()) or "none"
    )


def _log(run: Run, name: str) -> list[str]:
    lines = (_line(each) for each in _last(run, ["logs", "--tail", str(LOOKED_AT), name], LOOKED_AT))
    return [line for line in lines if line][-LINES:]


def _line(text: str) -> str:
    """One line of a log for people; "" for a request that was answered, or for our own health checks."""
    try:
        record = json.loads(text)
        moment = record.get("timestamp") or record.get("time") or ""
    except (ValueError, AttributeError):
        return text
    status = record.get("status")
    if isinstance(status, int) and (status < 500 or status >= 1000):
        return ""
    words = [moment, record.get("level", ""), record.get("message") or text]
    return " ".join(word for word in words if word)


def _last(run: Run, words: list[str], number: int) -> list[str]:
    return run(words)[1].strip().splitlines()[-number:]
