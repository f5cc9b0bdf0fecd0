"""`make up SHARE=10`: what is a share, and what a first container is made of."""

import pytest

from channels_stack_deploy.console import Failure
from channels_stack_deploy.local import first
from channels_stack_deploy.swarm import variables


@pytest.mark.parametrize(("text", "share"), [("", 0), ("1", 1), ("10", 10), ("99", 99)])
def test_a_share_is_a_percentage(text, share):
    assert first.percent(text, 30) == share


@pytest.mark.parametrize("text", ["0", "100", "-1", "ten", "10 %", "1.5", "²"])
def test_what_is_none_is_refused(text):
    with pytest.raises(Failure, match="a whole number from 1 to 99"):
        first.percent(text, 30)


def test_without_a_trial_there_is_nothing_to_share():
    assert first.percent("", 0) == 0
    with pytest.raises(Failure, match="TRIAL_SECONDS is 0"):
        first.percent("10", 0)


def test_a_first_container_is_one_of_its_service_under_another_name():
    service = {
        "image": "app:1",
        "environment": {"A": "b"},
        "restart": "unless-stopped",
        "scale": 3,
        "depends_on": {"db": {}},
        "deploy": {"replicas": 3, "resources": {"limits": {"memory": "1"}}},
    }
    assert first.definition("first-http", service) == {
        "image": "app:1",
        "environment": {"A": "b"},
        "restart": "no",
        "hostname": "first-http",
        "deploy": {"replicas": 1, "resources": {"limits": {"memory": "1"}}},
    }
    assert service["deploy"]["replicas"] == 3


@pytest.fixture
def values():
    """Variables of the role `stack` without a mistake."""
    return {
        **dict.fromkeys(
            ("stack_release", "stack_check_path", "stack_db_host", "stack_redis_host", "registry"), ""
        ),
        **dict.fromkeys(variables.LEAST, 30),
        "stack_app_redis_host": "",
        "stack_name": "channels-stack",
        "stack_update_monitor": "30s",
        "stack_settings": {},
        "stack_app_env": {},
        "stack_share": 0,
        "data": [],
        "hosts": [],
    }


@pytest.mark.parametrize("share", [0, 1, "10", 99])
def test_servers_take_the_same_shares(values, share):
    assert variables.problems({**values, "stack_share": share}) == []


@pytest.mark.parametrize("share", ["", "00", "100", -1, "ten", 1.5])
def test_and_refuse_the_same(values, share):
    (problem,) = variables.problems({**values, "stack_share": share})
    assert "stack_share is" in problem
    assert "1 to 99" in problem


def test_servers_have_nothing_to_share_without_a_trial(values):
    (problem,) = variables.problems({**values, "stack_share": 10, "stack_trial_seconds": 0})
    assert "stack_trial_seconds is 0" in problem
