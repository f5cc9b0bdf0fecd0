"""The trial of a release: one new task of each service, healthy and compared with the running ones before any is replaced."""

from __future__ import annotations

import json
import time

from ..console import Failure
from . import jobs
from .engine import Engine, pause


def run(
    engine: Engine,
    path: str,
    healthy_seconds: float,
    steady_seconds: float,
    job: str,
    job_path: str,
) -> None:
    """Start one task of each service of the file PATH alongside the running ones: healthy in time, then running on for so long.

    As soon as they are healthy the JOB of the file JOB_PATH compares what they answer with what the running ones answer.
    Failure with the last lines of the one that ended; all are removed in any case.
    """
    services = list(json.loads(engine.read(path))["services"])
    engine.remove(*services)
    jobs.gone(engine, services)
    engine.stack_deploy(path)
    begun = time.monotonic()
    steady_since = 0.0
    try:
        while True:
            found = engine.services()
            tasks = engine.tasks([found[name]["ID"] for name in services])
            for name in services:
                own = [task for task in tasks if task["ServiceID"] == found[name]["ID"]]
                jobs.ended(engine, name, own)
            running = [task for task in tasks if task["Status"]["State"] == "running"]
            if len(running) == len(services):
                if not steady_since:
                    steady_since = time.monotonic()
                    engine.tell(
                        f"    healthy after {steady_since - begun:.0f} s, watched for {steady_seconds:.0f} s"
                    )
                    for line in jobs.run(engine, job, job_path, healthy_seconds + steady_seconds):
                        engine.tell(f"    {line}")
                if time.monotonic() - steady_since >= steady_seconds:
                    return
            elif time.monotonic() - begun > healthy_seconds:
                raise Failure(f"not healthy within {healthy_seconds:.0f} s: {jobs.states(tasks)}")
            pause()
    finally:
        engine.remove(*services)
