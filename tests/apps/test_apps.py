"""Any Channels 4 project: each sample is built and started by a few lines of stack.env, its source untouched.

One test for all of them: a page and its static file from both replicas, websockets on both replicas that hear each other
before and after 30 s of silence, a foreign page refused, what the release said, and what only this project has.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from checks import Visit, foreign_page_may_not, hear, page, static_file
from samples import SAMPLES, Sample
from stacks import eventually
from websockets.sync.client import ClientConnection

SILENT_SECONDS = 30
"""Longer than the 5 s after which redis-py 8 ends a stock consumer, and than a ping and its time limit by default."""

SOCKETS = 4
"""The edge gives each to the replica with the fewest, so each of two gets some."""


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_project_runs_as_it_is(sample, visit):
    sockets = [opened(visit, sample) for _ in range(SOCKETS)] if sample.socket else []
    talk(sample, sockets, "before the silence")
    began = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        own = [beside.submit(check, visit) for check in sample.checks]
        static_file(visit, page(visit, sample.page, sample.shows))
        if sample.socket:
            foreign_page_may_not(visit, sample.socket, sample.subprotocol)
        for socket in sockets:
            with pytest.raises(TimeoutError):
                socket.recv(timeout=max(0.1, began + SILENT_SECONDS - time.monotonic()))
        talk(sample, sockets, "after the silence")
        for check in own:
            check.result()
    for socket in sockets:
        socket.close()
    if sockets:
        seen = partial(visit.replicas_that_saw, "ws", sample.socket)
        eventually(
            lambda: seen() == [True, True], what=f"{sample.socket} in the access log of both containers of ws"
        )
    told = visit.stack.told
    missing = [name for name in sample.overridden if f"overlay: {name}: " not in told]
    assert missing == [] and all(words in told for words in sample.told), told
    tracebacks = [
        log for service in ("http", "ws", "worker") for log in visit.logs(service) if "Traceback" in log
    ]
    assert tracebacks == []


def opened(visit: Visit, sample: Sample) -> ClientConnection:
    """An open websocket of the project, past what its protocol wants first."""
    socket = visit.socket(sample.socket, subprotocol=sample.subprotocol)
    assert socket.subprotocol == sample.subprotocol
    if sample.opening:
        said, answer = sample.opening
        socket.send(json.dumps(said))
        hear(socket, answer)
    return socket


def talk(sample: Sample, sockets: list[ClientConnection], text: str) -> None:
    """Say TEXT on the first of the SOCKETS; all of them hear it."""
    if sockets:
        sockets[0].send(json.dumps(sample.says(text)))
    for socket in sockets:
        hear(socket, sample.says(text))
