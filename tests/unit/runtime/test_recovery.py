"""docs/how-to/recovery.md: its diffs are applied to the tutorial's chat in turn, under plain uvicorn, and do what it says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

import processes
import pytest
import redis as redis_py
from websockets.asyncio.client import connect

from channels_stack.groups.client import Client, Message, Present, Subscribed

ROOT = processes.HERE.parents[2]
PAGE = ROOT / "docs/how-to/recovery.md"
TUTORIAL = ROOT / "tests/apps/tutorial"


def steps() -> list[str]:
    """The diffs of the page, in turn."""
    return re.findall(r"^```diff\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def apply(diff: str, project: pathlib.Path) -> None:
    """Change the files of PROJECT: each hunk must fit to one place."""
    for part in re.split(r"^--- ", diff, flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        path = project / name
        text = path.read_text() if path.exists() else ""
        for hunk in re.split(r"^@@\n", body, flags=re.M):
            lines = hunk.splitlines()
            before, after = (
                "\n".join(line[1:] for line in lines if line[:1] in (" ", sign)) for sign in ("-", "+")
            )
            assert text.count(before) == 1 or not text, f"{name}: {text.count(before)} places for\n{before}"
            text = text.replace(before, after, 1) if text else after + "\n"
        path.write_text(text)


class Project:
    """The chat after so many steps of the page, and a server that runs it."""

    def __init__(self, folder: pathlib.Path, redis: processes.Redis, count: int) -> None:
        shutil.copytree(TUTORIAL, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for diff in steps()[:count]:
            apply(diff, folder)
        settings = folder / "mysite/settings.py"
        # What the test's container lacks, and a Redis of the test's own.
        text = settings.read_text().replace("    'daphne',\n", "")
        text = text.replace('("127.0.0.1", 6379)', f'("127.0.0.1", {redis.port})')
        settings.write_text(text + "\nSTATIC_ROOT = BASE_DIR / 'static'\n")
        self.folder, self.port = folder, processes.free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{processes.RUNTIME}:{folder}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "REDIS_URL": redis.url,
        }

    def manage(self, *words: str) -> None:
        command = [sys.executable, "manage.py", *words]
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def start(self) -> processes.Process:
        program = [sys.executable, "-m", "uvicorn", "--port", str(self.port), "mysite.asgi:application"]
        process = processes.Process(program, self.environment, self.folder)
        processes.until(lambda: processes.answers(self.port), what="uvicorn listens")
        return process

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/chat/lobby/"

    @property
    def options(self) -> dict:
        return {"origin": f"http://127.0.0.1:{self.port}"}


@pytest.fixture
def running(tmp_path, redis):
    """Starts the chat after so many steps."""
    with contextlib.ExitStack() as ends:

        def start(count: int, *commands: tuple[str, ...]) -> Project:
            project = Project(tmp_path / "project", redis, count)
            for command in commands:
                project.manage(*command)
            process = project.start()
            ends.callback(process.kill)
            return project

        redis_py.Redis(port=redis.port).flushall()
        yield start


def said(*texts: str) -> list[str]:
    return [json.dumps({"message": text}) for text in texts]


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, processes.PATIENCE))


async def talk(project: Project, *texts: str) -> list[str]:
    """What one client hears of what another one says."""
    async with (
        connect(project.url, **project.options) as one,
        connect(project.url, **project.options) as other,
    ):
        heard = []
        for text in said(*texts):
            await one.send(text)
            heard.append(json.loads(await other.recv())["message"])
        return heard


@pytest.mark.parametrize("count", [0, 1])
def test_the_first_step_changes_nothing_for_who_talks(running, count):
    assert run(talk(running(count), "one", "two")) == ["one", "two"]


async def missed(project: Project, *texts: str, between=lambda: None) -> list:
    """What a client that recovers gets of what was said while it was away, and what it is told of that."""
    client = Client(project.url, **project.options)

    async def until(wanted) -> list:
        found = []
        async with contextlib.aclosing(client.events()) as events:
            async for event in events:
                found.append(event)
                if wanted(event):
                    return found

    await until(lambda event: isinstance(event, Subscribed))
    async with connect(project.url, **project.options) as other:
        for text in said(*texts):
            await other.send(text)
            await other.recv()
    between()
    return [
        event.recovered if isinstance(event, Subscribed) else json.loads(event.data)["message"]
        for event in await until(lambda event: isinstance(event, Message) and texts[-1] in event.data)
        if isinstance(event, (Subscribed, Message))
    ]


def test_from_the_second_step_on_who_was_away_gets_what_was_said_and_other_clients_are_served(running):
    project = running(2)
    assert run(talk(project, "one", "two")) == ["one", "two"]
    assert run(missed(project, "one", "two", "three")) == [True, "one", "two", "three"]


def test_the_third_step_gives_the_page_the_client(running):
    project = running(3)
    with urllib.request.urlopen(f"http://127.0.0.1:{project.port}/chat/lobby/") as answer:
        page = answer.read().decode()
    assert 'import { Client } from "/static/channels_stack/recoverable.js"' in page
    assert "new WebSocket" not in page
    # It comes with the library, through Django's own finder of files of apps.
    project.manage("collectstatic", "--noinput")
    collected = (project.folder / "static/channels_stack/recoverable.js").read_text()
    assert collected == (ROOT / "src/client/recoverable.js").read_text()


MIGRATIONS = [("makemigrations", "chat"), ("migrate",)]


def test_from_the_fourth_step_on_the_database_says_what_redis_has_lost(running, redis):
    commands = [
        tuple(line.split()[2:]) for line in re.findall(r"^python manage.py .*$", PAGE.read_text(), re.M)
    ]
    assert commands == MIGRATIONS
    project = running(4, *commands)
    assert run(missed(project, "one", "two")) == [True, "one", "two"]

    def lose() -> None:
        redis_py.Redis(port=redis.port).flushall()

    assert run(missed(project, "three", between=lose)) == [False, "one", "two", "three"]


def test_the_fifth_step_says_who_is_here(running):
    project = running(5, *MIGRATIONS)

    async def session() -> list[list[str]]:
        seen: list[asyncio.Future[list[str]]] = [asyncio.get_running_loop().create_future() for _ in range(2)]

        async def watch(told: asyncio.Future[list[str]]) -> None:
            async with contextlib.aclosing(Client(project.url, **project.options).events()) as events:
                async for event in events:
                    if isinstance(event, Present) and event.count == 2 and not told.done():
                        told.set_result([entry["name"] for entry in event.entries.values()])

        watching = [asyncio.ensure_future(watch(told)) for told in seen]
        names = await asyncio.gather(*seen)
        for task in watching:
            task.cancel()
        await asyncio.wait(watching)
        return names

    assert run(session()) == [["AnonymousUser"] * 2] * 2
