"""HTTP_HANDLER: pages get through Django's middlewares on another way, and nothing of what they answer or do is different."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from handling.run import CONCURRENCY, CROWD
from processes import HERE, PATIENCE, RUNTIME

from channels_stack.config.settings import SHARED_BY_PAGES

HANDLERS = ("django", "pooled", "one-hop")
COMMON = {"age": 0, "atomic": False, "settings": {}}
PROJECTS = {
    "no middleware": {"middlewares": "none", **COMMON},
    "startproject": {"middlewares": "seven", **COMMON},
    "own middlewares, kept connections": {"middlewares": "own", **COMMON, "age": 60},
    "own middlewares first, ATOMIC_REQUESTS": {
        "middlewares": "own first",
        **COMMON,
        "age": None,
        "atomic": True,
    },
    "an async middleware": {"middlewares": "async", **COMMON},
    "everything in sessions": {
        "middlewares": "own",
        **COMMON,
        "settings": {
            "CSRF_USE_SESSIONS": True,
            "SESSION_SAVE_EVERY_REQUEST": True,
            "MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage",
        },
    },
}


@pytest.fixture(scope="module", params=PROJECTS)
def found(request, tmp_path_factory) -> dict[str, dict]:
    """What each handler makes of the project."""
    folder = tmp_path_factory.mktemp("handling")
    running = {}
    for handler in HANDLERS:
        options = {**PROJECTS[request.param], "handler": handler, "database": str(folder / handler)}
        command = [sys.executable, "-B", str(HERE / "handling/run.py"), json.dumps(options)]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{RUNTIME}:{HERE}"}
        running[handler] = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    made = {}
    for handler, process in running.items():
        output, errors = process.communicate(timeout=2 * PATIENCE)
        assert process.returncode == 0, errors
        made[handler] = {**json.loads(output.splitlines()[-1]), "age": PROJECTS[request.param]["age"]}
    return made


@pytest.mark.parametrize("handler", HANDLERS[1:])
def test_every_answer_and_what_happens_are_those_of_django(found, handler):
    expected, answers = found["django"]["answers"], found[handler]["answers"]
    assert len(expected) > 40
    for (name, theirs), (_, ours) in zip(expected, answers, strict=True):
        if (handler, name) == ("one-hop", "leaves /waits/"):
            # In one go they run to their end, as under WSGI; otherwise what comes after the view is left out.
            ours["happened"] = [line for line in ours["happened"] if not line.endswith(" out (thread)")]
        assert (name, ours) == (name, theirs)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_crowd_shares_few_threads_and_connections(found, handler):
    made = found[handler]
    assert sum(made["crowd"].values()) == CROWD
    assert all(answer.startswith("200 ") for answer in made["crowd"])
    assert made["threads"] <= CONCURRENCY + SHARED_BY_PAGES
    if made["age"] == 0:
        assert made["left open"] == {"False": CROWD}, "each closes its connection at its end"
    else:
        assert made["left open"] == {"True": CROWD}
        assert made["opened"] <= CONCURRENCY + SHARED_BY_PAGES, "a connection is used again"
