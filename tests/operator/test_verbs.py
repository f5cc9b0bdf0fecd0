"""The verbs of `make` that make environments of their own: adopt, doctor, dev."""

from __future__ import annotations

import os
import shutil

import httpx
import pytest
import stacks
from environments import ENVIRONMENTS, done, remove_stale, removed, written

SAMPLE = "tests/apps/tutorial"


@pytest.fixture
def name():
    """A name that no environment has; its folder and its stack are removed."""
    remove_stale("verbs")
    chosen = f"verbs-{os.getpid()}"
    yield chosen
    if (ENVIRONMENTS / chosen).exists():
        removed(ENVIRONMENTS / chosen)


def test_a_project_is_adopted_and_examined(name):
    """`make adopt P=…` writes what `make doctor` then reads; `make doctor P=…` reads another one."""
    told = done("adopt", name, f"P={SAMPLE}")
    lines = (ENVIRONMENTS / name / "stack.env").read_text().splitlines()
    assert "APP_SETTINGS=mysite.settings" in lines and "APP_ASGI=mysite.asgi:application" in lines, told
    assert "mysite/settings.py" in done("doctor", name)
    assert "shop/settings.py" in done("doctor", name, "P=tests/apps/shop")


def test_a_development_stack_reloads(name, tmp_path):
    """A page of the mounted source, and one that is written while it runs."""
    shutil.copytree(stacks.ROOT / SAMPLE, tmp_path / "site")
    tmp_path.chmod(0o755)  # read by the user of the container
    port = stacks.free_port()
    written(
        name,
        APP_DIR=str(tmp_path / "site"),
        APP_SETTINGS="mysite.settings",
        APP_ASGI="mysite.asgi:application",
        APP_WORKER_CHANNELS="",
        APP_RELEASE_COMMANDS="",
        DEV_PORT=str(port),
    )
    told = done("dev", name)
    assert f"http://localhost:{port}/" in told

    def answer(path: str) -> int:
        try:
            return httpx.get(f"http://localhost:{port}{path}", timeout=stacks.START_SECONDS).status_code
        except httpx.TransportError:
            return 0  # it starts again

    assert answer("/chat/lobby/") == 200
    assert answer("/new/") == 404
    with (tmp_path / "site/mysite/urls.py").open("a") as file:
        file.write("\nfrom django.http import HttpResponse\n")
        file.write('urlpatterns.append(path("new/", lambda request: HttpResponse("here")))\n')
    stacks.eventually(lambda: answer("/new/") == 200, 120, "the page that was written while it ran")
