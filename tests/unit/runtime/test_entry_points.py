"""A script that assigns DJANGO_SETTINGS_MODULE has the overlay all the same; the stack's own commands say what they mean."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from processes import RUNTIME

HOOK = "import channels_stack.entry_points\n"


def said(program: str, settings: str = "channels_stack.overlay", app_settings: str = "shop.settings"):
    """What PROGRAM prints in an environment like the image's."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(RUNTIME),
        "DJANGO_SETTINGS_MODULE": settings,
        "APP_SETTINGS": app_settings,
    }
    command = [sys.executable, "-c", HOOK + program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


READ = "\nimport os; print(os.environ['DJANGO_SETTINGS_MODULE'])"


@pytest.mark.parametrize(
    "writes",
    [
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'",
        "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
        "import os; os.environ.update(DJANGO_SETTINGS_MODULE='shop.settings')",
        "import os; del os.environ['DJANGO_SETTINGS_MODULE']; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
    ],
)
def test_whatever_a_script_writes(writes):
    assert said(writes + READ) == ("channels_stack.overlay", "")


def test_another_module_is_one_line():
    twice = "import os\nfor _ in range(2): os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.local'"
    value, told = said(twice + READ)
    assert value == "channels_stack.overlay"
    assert len(told.splitlines()) == 1 and "APP_SETTINGS=shop.settings, and is not shop.local" in told


def test_who_says_other_settings_before_the_start_has_them():
    writes = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.local'"
    assert said(writes + READ, settings="shop.test") == ("shop.local", "")


def test_the_stacks_own_commands_say_what_they_mean():
    ours = "__package__ = 'channels_stack.doctor'\nimport os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.local'"
    assert said(ours + READ) == ("shop.local", "")
