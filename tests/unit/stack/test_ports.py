"""The ports of this machine, with real sockets that hold them."""

import socket
from contextlib import ExitStack

import pytest

from channels_stack_deploy.config import environments, ports, settings

HERE = ("127.0.0.1", "")


@pytest.fixture
def staging(checkout):
    """A new environment."""
    found = environments.find("staging", "up", ())
    environments.create(found)
    return found


@pytest.fixture
def hold():
    """A function () -> the number of a port of 127.0.0.1 that is held until the test ends."""
    with ExitStack() as held:

        def begin(number: int = 0) -> int:
            listening = held.enter_context(socket.create_server(("127.0.0.1", number)))
            return listening.getsockname()[1]

        yield begin


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def chosen(staging, **ports):
    return settings.of(staging) | {
        "BIND_ADDRESS": "127.0.0.1",
        **{name: str(value) for name, value in ports.items()},
    }


def test_what_one_program_holds_is_one_line_with_free_ports_and_the_file(staging, hold):
    first, second = hold(), hold()
    rows = ports.problems(staging, chosen(staging, HTTP_PORT=first, HTTPS_PORT=second), set())
    ((kind, problem, way_out),) = rows
    assert (kind, problem.startswith(f"{first} and {second} are in use")) == ("port", True)
    words = way_out.split()
    proposed = [word.partition("=") for word in words if "=" in word]
    assert [name for name, _, _ in proposed] == ["HTTP_PORT", "HTTPS_PORT"]
    assert all(ports.free(HERE, int(number)) for _, _, number in proposed)
    assert "in compose/environments/staging/stack.env (free now); or stop that" in way_out


def test_its_own_ports_and_those_of_another_address_are_free(staging, hold):
    first, second = hold(), free_port()
    wanted = chosen(staging, HTTP_PORT=first, HTTPS_PORT=second)
    assert ports.problems(staging, wanted, {first}) == []
    assert ports.problems(staging, wanted | {"BIND_ADDRESS": "127.0.0.2"}, set()) == []


def test_one_port_for_both_is_none(staging):
    number = free_port()
    ((_, problem, _),) = ports.problems(staging, chosen(staging, HTTP_PORT=number, HTTPS_PORT=number), set())
    assert problem == f"HTTP_PORT and HTTPS_PORT are both {number}"


def test_development_needs_the_port_of_development_alone(checkout, hold):
    mine = environments.find("mine", "up", ("dev",))
    environments.create(mine)
    held, spare = hold(), free_port()
    wanted = chosen(mine, HTTP_PORT=held, HTTPS_PORT=held)
    assert ports.problems(mine, wanted | {"DEV_PORT": str(spare)}, set()) == []
    ((_, problem, way_out),) = ports.problems(mine, wanted | {"DEV_PORT": str(held)}, set())
    assert problem.startswith(f"{held} is in use") and way_out.startswith("DEV_PORT=")


def test_a_proposed_port_is_no_other_environments(staging):
    number = ports.proposal("HTTPS_PORT", HERE)
    assert number >= 8443
    staging.settings.write_text(f"HTTPS_PORT={number}\n")
    assert ports.proposal("HTTPS_PORT", HERE) > number
