"""The Prometheus of the stack that a file's fixture `running` starts."""

from __future__ import annotations

import pytest
import stacks
from prometheus import Prometheus, of_stack


@pytest.fixture(scope="module")
def prometheus(running) -> Prometheus:
    """As soon as it has measured everything once: a counter that grew before that has not grown."""
    found = of_stack(running)

    def measured() -> bool:
        targets = found.ask("targets")["activeTargets"]
        return bool(targets) and all(each["health"] != "unknown" for each in targets)

    stacks.eventually(measured, 120, "everything is measured")
    return found
