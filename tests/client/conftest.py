"""A stock Channels project in a container of the test image, and a page of Debian's Chromium that runs the client."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from support.polling import until
from support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
from people import launch, through  # noqa: E402 (it is in another folder)


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"docker {arguments}: {done.stdout}{done.stderr}"
    return done.stdout


class Server:
    """The project; ``signal`` is what happens to its process."""

    def __init__(self) -> None:
        self.port, self.name = free_port(), f"channels-stack-test-client-{uuid.uuid4().hex[:8]}"
        self.url = f"http://127.0.0.1:{self.port}"
        docker(
            *("run", "--detach", "--rm", "--init", "--name", self.name, "--read-only", "--tmpfs", "/tmp"),
            *("--publish", f"127.0.0.1:{self.port}:8000", "--volume", f"{ROOT}:/src:ro", "--workdir", "/tmp"),
            *("--env", "PYTHONPATH=/src/src/channels_stack:/src/tests/client"),
            *(os.environ["TEST_IMAGE"], "python", "-m", "talk.run"),
        )
        try:
            until(self.answers, what="the project answers")
        except BaseException:
            self.remove()
            raise

    def answers(self) -> bool:
        try:
            return urllib.request.urlopen(self.url, timeout=5).status == 200
        except OSError:
            return False

    def signal(self, name: str) -> None:
        """Send KILL, TERM, STOP or CONT to uvicorn, which is started again when it has ended."""
        docker("exec", self.name, "sh", "-c", f"kill -{name} $(cat /tmp/server)")

    def publish(self, group: str, count: int, seconds: float = 0) -> None:
        """Begin to publish 0, 1, 2 … to ``group``, whatever happens to uvicorn."""
        program = ["python", "-m", "talk.publish", group, str(count), str(seconds)]
        docker("exec", "--detach", self.name, *program)

    def remove(self) -> None:
        print(docker("logs", self.name))
        docker("rm", "--force", self.name)


class Tab:
    """A page with one client."""

    def __init__(self, page, server: Server) -> None:
        self.page, self.server = page, server
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        through(lambda: page.goto(server.url))
        page.wait_for_function("window.ready")

    def start(self, path: str, **options) -> Tab:
        self.page.evaluate("([path, options]) => start(path, options)", [path, options])
        return self

    def run(self, script: str):
        return self.page.evaluate(script)

    def seen(self, what: str) -> list:
        return json.loads(self.run(f"JSON.stringify(seen.{what})"))

    def waits_for(self, condition: str, seconds: float = 120) -> None:
        """Until the JavaScript CONDITION is true."""
        until(
            lambda: self.run(f"Boolean({condition})"),
            seconds,
            f"{condition}; {self.run('JSON.stringify(seen)')}",
        )

    def is_connected(self) -> None:
        self.waits_for('client.state === "connected" && seen.presence.length')

    @property
    def here(self) -> list[str]:
        return sorted(self.seen("presence")[-1]["entries"])


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def tab(server, chromium):
    """A function () -> a new page, each in a browser profile of its own."""
    contexts, tabs = [], []

    def opened() -> Tab:
        until(server.answers, what="the project answers, after what the test before did to it")
        contexts.append(chromium.new_context())
        tabs.append(Tab(contexts[-1].new_page(), server))
        return tabs[-1]

    yield opened
    complaints = [each for tab in tabs for each in tab.complaints]
    for context in contexts:
        context.close()
    assert not complaints
