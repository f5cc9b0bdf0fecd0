"""Every command of docs/operations/runbook.md does on a running stack what the page says it does: it answers."""

import re
import shlex

import pytest
from stacks import ROOT, docker

PAGE = (ROOT / "docs/operations/runbook.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
COMMANDS = list(dict.fromkeys(line for block in BLOCKS for line in block.splitlines()))

pytestmark = [pytest.mark.containers, pytest.mark.disrupts, pytest.mark.variants("default")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_answers(stack, command):
    words = shlex.split(command)
    if words[:2] == ["docker", "compose"]:
        stack.compose(*words[2:])  # raises where it fails
    else:
        assert words[0] == "docker"
        assert docker(*words[1:])
