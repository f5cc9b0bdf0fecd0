"""What two looks and the visitors' reports make of a step, where the looks themselves take time."""

from __future__ import annotations

from types import SimpleNamespace

from channels_stack_deploy.capacity import steps
from channels_stack_deploy.capacity.sampling import Container, Look, Used

MIB = 1024**2
CONTAINERS = [Container(name, name, 1.0, 512 * MIB, "") for name in ("http", "edge")]


def look(moment: float, **read: tuple[float, float]) -> Look:
    """One that ended at MOMENT; service -> (when it was read, processor seconds)."""
    used = {name: Used(when, processor, 0.0, 100 * MIB) for name, (when, processor) in read.items()}
    return Look(moment, used, machine=2 * moment)


def second(pages: int, seconds: float) -> dict:
    """A report of the visitors."""
    return {
        **{name: {} for name in ("messages", "handshakes", "answers", "sockets")},
        **{"pages": {"10": pages}, "seconds": seconds, "cpu": 0.1, "lag": 0.0, "open": 3, "heard": 0},
    }


def test_a_slow_look_is_no_use_of_processors():
    """The processes answer /-/metrics late where they are busy: each container counts from its own moment."""
    before = look(101.0, http=(100.0, 5.0), edge=(100.1, 1.0))
    after = look(107.1, http=(107.0, 8.5), edge=(107.1, 1.7))
    sampler = SimpleNamespace(containers=CONTAINERS, cores=2, connections=lambda: 3)
    done = steps.summed(10, [second(20, 1.0)] * 7, sampler, before, after)
    assert round(done.services["http"].cores, 3) == 0.5
    assert round(done.services["edge"].cores, 3) == 0.1
    assert round(done.busy, 3) == 2


def test_late_reports_are_no_more_pages():
    """On a busy machine a second of the visitors lasts longer."""
    sampler = SimpleNamespace(containers=[], cores=2, connections=lambda: 3)
    done = steps.summed(10, [second(22, 1.1)] * 7, sampler, look(100.0), look(107.7))
    assert round(done.rate, 3) == 20 and round(done.generator, 4) == round(0.1 / 1.1, 4)
