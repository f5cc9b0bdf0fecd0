"""Every command of the docs that works on any stack of one machine answers there: tests/documented.py says which."""

import documented
import pytest
from stacks import docker, eventually
from visitors import browse

HERE = "tests/smoke/test_documented.py"
COMMANDS = {
    command.text: None
    for command in documented.commands()
    if next((row.by for row in documented.RUN if row.fits(command)), "").startswith(HERE)
}

pytestmark = [pytest.mark.containers, pytest.mark.disrupts, pytest.mark.variants("default")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_answers(stack, command):
    words = documented.Command("", command, True).words
    assert words[0] == "docker"
    if words[1] != "compose":
        assert docker(*words[1:])
        return
    if words[2] == "exec" and "-T" not in words:
        words.insert(3, "-T")  # nobody sits at a terminal here
    stack.compose(*words[2:])  # raises where it fails


def test_it_serves_after_all_of_them(stack):
    """The runbook's SIGHUP among them, which replaces every process."""

    def served() -> bool:
        with browse(stack) as visitor:
            return visitor.get("/login/").status_code == 200

    eventually(served, what="a page after the commands")
