"""How much of a changed release comes at once: as memory and the edge's places allow."""

import pytest

from channels_stack_deploy.local.rolling import Change, batches, rolled

M = 1024**2
HTTP = Change("http", ["a", "b"], 2, 512 * M)
WS = Change("ws", ["c", "d"], 2, 512 * M)
COUNTS = {"http": 2, "ws": 2, "worker": 1}


def made(changes, memory, slots=()):
    return list(batches(changes, memory, COUNTS, dict(slots)))


def test_all_at_once_where_memory_holds_both(capsys):
    assert made([HTTP, WS], 2048 * M) == [[HTTP, WS]]
    assert capsys.readouterr().out == ""


def test_one_container_at_a_time_where_it_does_not(capsys):
    steps = made([HTTP, WS], 2047 * M)
    assert [(each.service, each.old, each.new) for step in steps for each in step] == [
        ("http", ["a"], 1),
        ("http", ["b"], 1),
        ("ws", ["c"], 1),
        ("ws", ["d"], 1),
    ]
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and "2.1 GB of memory" in said[0] and "one container at a time" in said[0]


def test_in_place_where_not_even_one_more_fits(capsys):
    assert made([HTTP, WS], 511 * M) == []
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and "replaced in place" in said[0]


def test_one_at_a_time_where_the_edge_has_no_place_for_both(capsys):
    assert len(made([HTTP], 4096 * M, {"http": 3})) == 2
    assert "(*_SLOTS): http" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "steps"),
    [
        (["a", "b", "c"], 1, [(["a", "b", "c"], 1)]),
        (["a"], 3, [(["a"], 1), ([], 1), ([], 1)]),
        (["a", "b"], 0, [(["a", "b"], 0)]),
    ],
)
def test_other_numbers_of_replicas_than_before(old, new, steps):
    change = Change("http", old, new, 512 * M)
    found = made([change, Change("ws", ["x"], 3, 512 * M)], 600 * M)
    assert [(each.old, each.new) for step in found for each in step if each.service == "http"] == steps


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"deploy": {"update_config": {"order": "start-first"}}}, True),
        ({"deploy": {"update_config": {"order": "stop-first"}}}, False),
        ({"deploy": {}}, False),
        ({"deploy": {"update_config": {"order": "start-first"}}, "ports": [{"target": 8000}]}, False),
    ],
)
def test_what_may_run_side_by_side(definition, expected):
    assert rolled(definition) is expected
