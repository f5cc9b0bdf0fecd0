"""What managers know of tasks beside what edges have found."""

import pytest

from channels_stack_deploy.swarm import name_service

WANTED = {"http": {"10.0.1.5", "10.0.1.6"}, "ws": {"10.0.1.7"}}
RIGHT = {"http": ["10.0.1.5", "10.0.1.6"], "ws": ["10.0.1.7"]}


@pytest.mark.parametrize(
    ("edges", "lines"),
    [
        ({"one": RIGHT, "two": RIGHT}, []),
        ({"one": RIGHT | {"http": ["10.0.1.6"]}, "two": RIGHT}, ["the edge on one lacks 10.0.1.5 for http"]),
        ({"one": RIGHT | {"ws": ["10.0.1.7", "10.0.1.9"]}}, []),
        (
            {"one": RIGHT | {"ws": ["10.0.1.5", "10.0.1.7"]}},
            ["the edge on one holds 10.0.1.5 of another service for ws"],
        ),
        (
            {"one": RIGHT | {"ws": ["10.0.1.5"]}},
            ["the edge on one lacks 10.0.1.7 and holds 10.0.1.5 of another service for ws"],
        ),
        ({"one": {"http": [], "ws": ["10.0.1.7"]}}, ["the edge on one lacks 10.0.1.5 10.0.1.6 for http"]),
    ],
)
def test_where_they_do_not_agree(edges, lines):
    assert name_service.differing(WANTED, edges) == lines


def test_only_addresses_of_the_network_of_the_edges_count():
    task = {
        "NetworksAttachments": [
            {"Network": {"Spec": {"Name": "stack_front"}}, "Addresses": ["10.0.1.5/24"]},
            {"Network": {"Spec": {"Name": "stack_data"}}, "Addresses": ["10.0.2.5/24"]},
        ]
    }
    assert name_service.addresses(task, "stack_front") == {"10.0.1.5"}
