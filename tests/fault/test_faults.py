"""Sockets that are open and deaf 30 s after a fault of Redis: of ours none, whatever layer a project has chosen.

The same faults, at the same moment, for the same project on stock uvicorn: the table at the end has both.
"""

from __future__ import annotations

import pytest
from faults import FAULTS, MASTER_HANGS

CASES = [
    pytest.param(
        fault,
        layer,
        id=f"{fault.name}-{layer}".replace(" ", "-"),
        marks=[pytest.mark.long] if fault.long else [],
    )
    for fault in FAULTS
    for layer in fault.layers
]


@pytest.mark.parametrize(("fault", "layer"), CASES)
def test_every_socket_receives(outcome, fault, layer):
    ours = outcome[fault.name, "ours", layer]
    assert (ours.deaf, ours.away) == (0, 0), ours.log[-3000:]


@pytest.mark.parametrize(
    "fault", [case.values[0] for case in CASES if case.values[1] == "groups"], ids=lambda f: f.name
)
def test_on_the_groups_layer_every_socket_receives_under_stock_uvicorn_too(outcome, fault):
    stock = outcome[fault.name, "stock", "groups"]
    assert (stock.deaf, stock.away) == (0, 0), stock.log[-3000:]


@pytest.mark.parametrize(("fault", "layer"), CASES)
def test_who_comes_meanwhile_is_let_in_or_asked_to_come_back(outcome, fault, layer):
    ours = outcome[fault.name, "ours", layer]
    assert ours.answers.keys() <= {"101", "503"}, ours.log[-3000:]
    assert "Traceback" not in ours.log, ours.log


@pytest.mark.parametrize(("fault", "layer"), CASES)
def test_no_socket_is_cut_without_a_word(outcome, fault, layer):
    assert outcome[fault.name, "ours", layer].closed.keys() <= {"1012"}


FAILOVERS = [(fault, layer) for fault in FAULTS if fault.failover for layer in fault.layers]


@pytest.mark.long
@pytest.mark.parametrize(("fault", "layer"), FAILOVERS, ids=lambda value: getattr(value, "name", value))
def test_everybody_hears_through_the_new_master(outcome, fault, layer):
    """8 to 11 s on a quiet machine, of which 4 are Sentinel's patience; the table at the end has the figures."""
    ours = outcome[fault.name, "ours", layer]
    assert ours.healed is not None, ours.log[-3000:]
    assert ours.healed <= 25, ours.log[-3000:]


@pytest.mark.long
@pytest.mark.parametrize("fault", [MASTER_HANGS], ids=lambda fault: fault.name)
def test_stock_sockets_wait_longer_for_a_master_that_hangs(outcome, fault):
    stock, ours = (outcome[fault.name, side, "pubsub"].healed for side in ("stock", "ours"))
    assert stock is None or stock > ours


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.deafens], ids=lambda fault: fault.name)
def test_stock_sockets_stay_open_and_receive_nothing(outcome, fault):
    assert outcome[fault.name, "stock", "core"].deaf > 0


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.cuts], ids=lambda fault: fault.name)
def test_stock_sockets_are_cut_and_handshakes_fail(outcome, fault):
    stock = outcome[fault.name, "stock", "core"]
    assert stock.closed["1006"] > 0
    assert stock.answers["500"] > 0
