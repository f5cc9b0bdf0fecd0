"""Looking before changing: what of it depends on the settings alone."""

import pytest

from channels_stack_deploy.local import preflight


@pytest.mark.parametrize(
    ("hops", "address", "refused"),
    [
        ("host", "127.0.0.1", False),
        ("host", "::1", False),
        ("10.0.0.1", "0.0.0.0", False),
        ("", "0.0.0.0", False),
        ("host", "0.0.0.0", True),
        ("10.0.0.1 host", "192.0.2.1", True),
        ("host", "::", True),
    ],
)
def test_this_machine_is_believed_where_strangers_do_not_come_by_the_same_way(
    deployment, hops, address, refused
):
    rows = preflight.hops(deployment, {"EDGE_TRUSTED_HOPS": hops, "BIND_ADDRESS": address})
    assert bool(rows) == refused
    assert all("BIND_ADDRESS=127.0.0.1" in way_out for _, _, way_out in rows)
