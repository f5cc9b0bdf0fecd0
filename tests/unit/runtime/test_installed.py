"""`pip install ./src/channels_stack`, as its README says, into a project that has nothing else of the stack."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import processes
import pytest
from gathering.server import serve

LIBRARY = processes.RUNTIME / "channels_stack"
CLIENT = """
import asyncio, contextlib, sys
from channels_stack.groups.client import Client, Message

async def main():
    client = Client(sys.argv[1])
    await client.send("hello")
    async with contextlib.aclosing(client.events()) as events:
        async for event in events:
            if isinstance(event, Message):
                return print(event.group, event.data)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """The folder that it was installed into."""
    source, place = tmp_path_factory.mktemp("source") / "source", tmp_path_factory.mktemp("place")
    shutil.copytree(LIBRARY.parent, source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, f"--target={place}", str(source)], check=True, capture_output=True)
    return place


def python(place: pathlib.Path, folder: pathlib.Path, program: str, *arguments: str) -> str:
    """What PROGRAM prints, with the installed library and nothing of the checkout."""
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={"PYTHONPATH": str(place), "PATH": os.environ["PATH"]},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=processes.PATIENCE,
    )
    return ran.stdout


def test_it_can_be_imported_and_is_complete(place, tmp_path):
    shown = "import channels_stack.groups, channels_stack.layers; print(channels_stack.__file__)"
    assert python(place, tmp_path, shown).startswith(str(place))
    assert (place / "bin/channels-stack").exists()
    kinds = (".html", ".css", ".js", ".svg")
    pages = [path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.*") if path.suffix in kinds]
    assert pages
    assert all((place / "channels_stack" / path).exists() for path in pages)


def test_layer_consumers_and_client_work_under_plain_uvicorn_with_two_lines_of_settings(
    place, redis, tmp_path
):
    server = serve(redis, tmp_path, library=place)
    try:
        url = f"ws://127.0.0.1:{server.port}/room/installed/"
        assert python(place, tmp_path, CLIENT, url) == "installed hello\n"
    finally:
        server.kill()
    assert "Traceback" not in server.output()
