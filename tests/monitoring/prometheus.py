"""The Prometheus of a stack, as an operator asks it."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import stacks
from visitors import trust

from channels_stack_deploy.config import settings

WITHIN_SECONDS = 180
"""Every alert for a service that is away fires within this time; docs/how-to/monitoring.md says so."""


class Prometheus:
    """Answers of the one at ADDRESS, whose certificate is one of AUTHORITIES."""

    def __init__(self, address: str, authorities: ssl.SSLContext, password: str) -> None:
        self.client = httpx.Client(
            base_url=address,
            verify=authorities,
            auth=("prometheus", password),
            timeout=30,
            trust_env=False,
        )

    def ask(self, path: str, **words: str) -> dict:
        answer = self.client.get(f"/api/v1/{path}", params=words)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def up(self) -> dict[str, int]:
        """How many targets answer, of each job, `application http`; with `down` those that do not."""
        targets = self.ask("targets", state="active")["activeTargets"]
        return dict(
            Counter(
                " ".join(
                    [
                        *(["down"] if each["health"] == "down" else []),
                        *(each["labels"][name] for name in ("job", "service") if name in each["labels"]),
                    ]
                )
                for each in targets
                if each["health"] != "unknown"
            )
        )

    def firing(self) -> set[str]:
        return {
            each["labels"]["alertname"] for each in self.ask("alerts")["alerts"] if each["state"] == "firing"
        }

    def fires(self, alert: str, seconds: float) -> float:
        """Wait until ALERT fires; how long it took."""
        started = time.monotonic()
        stacks.eventually(lambda: alert in self.firing(), seconds, f"the alert {alert}")
        return time.monotonic() - started


def of_stack(stack: stacks.Stack) -> Prometheus:
    """The Prometheus of STACK."""
    port = settings.load(stack.folder / "stack.env")["MONITORING_PORT"]
    password = (stack.folder / "secrets/monitoring_password").read_text()
    return Prometheus(f"https://localhost:{port}", trust(stack), password)


@contextmanager
def monitored(name: str, secrets: Mapping[str, str] | None = None, **others: str) -> Iterator[stacks.Stack]:
    """A stack called NAME that is measured, with as few processes as it can have; SECRETS and OTHERS as of `stacks.own`."""
    few = {"HTTP_REPLICAS": "1", "WS_REPLICAS": "1", "HTTP_PROCESSES": "1"}
    measured = {"MONITORING": "on", "MONITORING_PORT": str(stacks.free_port())}
    with stacks.own(name, secrets, **few, **measured, **others) as stack:
        yield stack
