"""Every fault is tried once for the whole session, some at a time; the tests look at what came of it."""

from __future__ import annotations

import asyncio

import pytest
import trial
from faults import FAULTS, Fault

AT_ONCE = 3

results: dict[tuple[str, str, str], trial.Result] = {}


@pytest.fixture(scope="session")
def outcome(request):
    """The result of a fault (by name), side and layer."""
    wanted = {
        item.callspec.params["fault"].name for item in request.session.items if hasattr(item, "callspec")
    }
    asyncio.run(_run_all([fault for fault in FAULTS if fault.name in wanted]))
    return results


async def _run_all(faults: list[Fault]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(fault: Fault) -> None:
        async with room:
            for (side, layer), result in (await trial.run(fault)).items():
                results[fault.name, side, layer] = result

    await asyncio.gather(*(one(fault) for fault in faults))


def pytest_terminal_summary(terminalreporter):
    if not results:
        return
    terminalreporter.section("sockets 30 s after the fault")
    people = trial.GROUPS * trial.IN_EACH
    terminalreporter.write_line(
        f"of {people} sockets of each server; stock: uvicorn, ours: channels-stack serve ws; layers: core and pubsub "
        "as their manual writes them, groups: the stack's default, on stock uvicorn too"
    )
    terminalreporter.write_line(
        f"{'fault':27} {'layer':7} {'server':6} deaf away  well  {'closed, came back':<18} handshakes refused"
    )
    for fault in FAULTS:
        for layer in fault.layers:
            for side in trial.SIDES:
                if (result := results.get((fault.name, side, layer))) is not None:
                    terminalreporter.write_line(f"{fault.name:27} {layer:7} {side:6} {result}")
