"""What an operator does with stacks of this machine: each file starts the stacks that it changes.

`make smoke` runs these tests alongside those of tests/smoke, on a process of their own.
"""

from __future__ import annotations

import pytest
import stacks


@pytest.fixture(scope="session")
def other():
    """A small stack that must not notice what happens to others."""
    with stacks.own("other", HTTP_REPLICAS="1", WS_REPLICAS="1", HTTP_PROCESSES="1", **stacks.BRIEF) as made:
        yield made
