"""The project under plain uvicorn, without anything of channels-stack but what its settings name."""

from __future__ import annotations

import os
import pathlib
import sys

import processes


def serve(
    redis: processes.Redis,
    folder: pathlib.Path,
    port: int = 0,
    *options: str,
    library: pathlib.Path = processes.RUNTIME,
    **variables: str,
) -> processes.Process:
    """The server, listening; its attribute ``port`` says where. ``library``: the folder that channels_stack is in."""
    port = port or processes.free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{library}:{processes.HERE}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **redis.environment(),
        **variables,
    }
    program = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning", *options]
    process = processes.Process([*program, "gathering.asgi:application"], environment, folder)
    process.port = port
    processes.until(
        lambda: processes.answers(port) or process.exit_code() is not None, 120, "uvicorn listens"
    )
    assert process.exit_code() is None, process.output()
    return process
