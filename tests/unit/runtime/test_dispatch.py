"""The loop around a consumer: ours does what Channels' own does, and what a message costs."""

from __future__ import annotations

import asyncio

import channels.utils
import pytest
from channels.exceptions import StopConsumer

from channels_stack.patches import channels_dispatch

STOCK = channels.utils.await_many_dispatch
IMPLEMENTATIONS = {"stock": STOCK, "ours": channels_dispatch.await_many_dispatch}


@pytest.fixture(params=IMPLEMENTATIONS)
def dispatching(request):
    return IMPLEMENTATIONS[request.param]


class Source:
    """A queue that notes how it was asked."""

    def __init__(self, *messages):
        self.queue = asyncio.Queue()
        for message in messages:
            self.queue.put_nowait(message)
        self.asked = self.cancelled = 0

    async def __call__(self):
        self.asked += 1
        try:
            message = await self.queue.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(message, BaseException):
            raise message
        return message


def running(scenario):
    return asyncio.run(asyncio.wait_for(scenario(), 60))


def test_one_at_a_time_and_each_source_in_order(dispatching):
    async def scenario():
        handled, inside = [], 0

        async def handle(message):
            nonlocal inside
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            handled.append(message)
            inside -= 1
            if len(handled) == 200:
                raise StopConsumer

        sources = [Source(*(("a", n) for n in range(100))), Source(*(("b", n) for n in range(100)))]
        with pytest.raises(StopConsumer):
            await dispatching(sources, handle)
        for name in "ab":
            assert [n for source, n in handled if source == name] == list(range(100))
        assert [source for source, _ in handled[:20]].count("a") == 10, "neither source waits for the other"

    running(scenario)


def test_the_next_message_is_asked_for_when_the_handler_has_returned(dispatching):
    async def scenario():
        source, seen = Source(1, 2), []

        async def handle(message):
            await asyncio.sleep(0.01)
            seen.append(source.asked)
            if message == 2:
                raise StopConsumer

        with pytest.raises(StopConsumer):
            await dispatching([source], handle)
        assert seen == [1, 2]

    running(scenario)


@pytest.mark.parametrize("error", [RuntimeError("broken"), StopConsumer(), asyncio.CancelledError()])
def test_what_a_source_raises_ends_it_and_the_others(error):
    """Channels' own leaves the others behind."""

    async def scenario():
        idle = Source()
        with pytest.raises(type(error)):
            await channels_dispatch.await_many_dispatch(
                [Source(error), idle], lambda message: asyncio.sleep(0)
            )
        assert (idle.asked, idle.cancelled) == (1, 1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    running(scenario)


def test_what_a_handler_raises_ends_it(dispatching):
    async def scenario():
        first, idle = Source(1), Source()

        async def handle(message):
            raise LookupError(message)

        with pytest.raises(LookupError):
            await dispatching([first, idle], handle)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    running(scenario)


@pytest.mark.parametrize("busy", [True, False])
def test_it_can_be_cancelled(dispatching, busy):
    async def scenario():
        source, idle, began = Source(1), Source(), asyncio.Event()
        ends = []

        async def handle(message):
            began.set()
            try:
                if busy:
                    await asyncio.sleep(3600)
            finally:
                ends.append(message)

        task = asyncio.ensure_future(dispatching([source, idle], handle))
        await began.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends == [1] and idle.cancelled == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    running(scenario)


def test_a_source_that_always_has_something_lets_others_run(dispatching):
    async def scenario():
        turns = 0

        async def endless():
            return "more"

        async def handle(message):
            if turns > 10:
                raise StopConsumer

        async def others():
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        other = asyncio.ensure_future(others())
        with pytest.raises(StopConsumer):
            await dispatching([endless], handle)
        other.cancel()

    running(scenario)


def test_tasks_are_made_by_a_factory_where_there_is_one(dispatching):
    async def scenario():
        made = []

        def factory(loop, coroutine, **options):
            made.append(coroutine)
            return asyncio.Task(coroutine, loop=loop, **options)

        asyncio.get_running_loop().set_task_factory(factory)
        with pytest.raises(RuntimeError):
            await dispatching([Source(1, RuntimeError("end"))], lambda message: asyncio.sleep(0))
        assert len(made) == 2

    running(scenario)
