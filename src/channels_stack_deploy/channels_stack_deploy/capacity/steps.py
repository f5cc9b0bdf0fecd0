"""What the visitors reported each second and what two looks at the stack show, as one step of the model."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .histogram import Histogram
from .model import Step, Usage
from .sampling import Container, Look, Sampler


def summed(
    number: int,
    seconds: list[dict[str, Any]],
    sampler: Sampler,
    before: Look,
    after: Look,
    *,
    together: bool = False,
) -> Step:
    """The SECONDS of NUMBER visitors, who asked TOGETHER or not, and what was used between the two looks."""
    passed = after.moment - before.moment
    lasted = sum(second["seconds"] for second in seconds)
    services, ended = usages(sampler.containers, before, after, sampler.cores)

    def total(name: str) -> Histogram:
        return Histogram.sum(Histogram(second[name]) for second in seconds)

    def counts(name: str) -> Counter[str]:
        return sum((Counter(second[name]) for second in seconds), Counter())

    return Step(
        visitors=number,
        seconds=lasted,
        pages=total("pages"),
        messages=total("messages"),
        answers=counts("answers"),
        sockets=counts("sockets"),
        open=seconds[-1]["open"],
        heard=sum(second["heard"] for second in seconds),
        services=services,
        cores=sampler.cores,
        busy=(after.machine - before.machine) / passed,
        generator=sum(second["cpu"] for second in seconds) / lasted,
        generator_lag=sorted(second["lag"] for second in seconds)[len(seconds) // 2],
        lag=after.lag,
        connections=(sampler.connections() or 0) if number else 0,
        refused={
            name: count - before.refused.get(name, 0)
            for name, count in after.refused.items()
            if count > before.refused.get(name, 0)
        },
        ended=ended,
        together=together,
    )


def usages(
    containers: list[Container], before: Look, after: Look, cores: int
) -> tuple[dict[str, Usage], tuple[str, ...]]:
    """Of each service what its replicas used, on a machine of so many CORES; and the services of which one ended."""
    replicas: dict[str, list[tuple[Container, float, float, int]]] = {}
    ended = set()
    for container in containers:
        old, new = before.containers.get(container.identity), after.containers.get(container.identity)
        if old is None or new is None or new.processor < old.processor:
            ended.add(container.service)
            continue
        passed = new.moment - old.moment
        computed, wanted = new.processor - old.processor, new.throttled - old.throttled
        replicas.setdefault(container.service, []).append(
            (container, computed / passed, wanted / passed, new.memory)
        )
    found = {}
    for service, those in replicas.items():
        fullest = max(those, key=lambda one: one[3] / one[0].memory)
        found[service] = Usage(
            cores=sum(one[1] for one in those),
            cores_limit=min(sum(one[0].cores for one in those), float(cores)),
            memory=fullest[3],
            memory_limit=fullest[0].memory,
            replicas=len(those),
            throttled=sum(one[2] for one in those),
        )
    return found, tuple(sorted(ended))
