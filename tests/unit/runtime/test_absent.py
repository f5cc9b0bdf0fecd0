"""What a project wants at its import and the image lacks: the line names what, and the setting of the build."""

import pytest

from channels_stack.config import importing
from channels_stack.config.environment import ConfigurationError

APP_ENV = "belong in app.env"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "import subprocess\nsubprocess.run(['bun', '--version'])",
            "no program 'bun': name the Debian package that has it in APP_P",
        ),
        ("import shutil, subprocess\nsubprocess.run([shutil.which('bun'), 'x'])", "no program 'bun'"),
        (
            "from shutil import which\nif not which('bun'):\n    raise RuntimeError('install bun first')",
            "no program 'bun'",
        ),
        (
            "import ctypes\nctypes.CDLL('libnothing.so.9')",
            "no library libnothing.so.9: name the Debian package",
        ),
        (
            "raise ImportError('libGL.so.1: cannot open shared object file: No such file')",
            "no library libGL.so.1: add libgl1 to APP_PACKAGES",
        ),
        (
            "raise OSError('Could not find the GDAL library (tried \"gdal\")')",
            "APP_PACKAGES=binutils gdal-bin",
        ),
        ("open('/srv/app/.env')", "a .env never reaches an image"),
        ("open('/nowhere/keys.json')", "the image has no such file"),
    ],
)
def test_it_is_a_matter_of_the_image(tmp_path, monkeypatch, source, words):
    said = refusal(tmp_path, monkeypatch, source)
    assert words in said and "shop_settings.py:" in said and "\n" not in said


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.environ['SHOP_KEY']",
        # It looks for a program, and fails for another reason.
        "import os, shutil\nBUN = shutil.which('bun')\nos.environ['SHOP_KEY']",
        "import shutil\nPYTHON = shutil.which('python3')\nint(None)",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'raise SystemExit(1)'], check=True)",
    ],
)
def test_what_is_a_matter_of_variables_stays_one(tmp_path, monkeypatch, source):
    said = refusal(tmp_path, monkeypatch, source)
    assert "the image has no" not in said and APP_ENV in said


def test_metadata_of_a_package_is_no_module(tmp_path, monkeypatch):
    said = refusal(tmp_path, monkeypatch, "from importlib.metadata import version\nversion('shop_settings')")
    assert "shop_settings.py:2: PackageNotFoundError" in said and "APP_REQUIREMENTS" in said
    assert "holds no module" not in said and APP_ENV not in said


def refusal(folder, monkeypatch, source):
    """What a settings module with this SOURCE is refused with."""
    (folder / "shop_settings.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(ConfigurationError) as refused:
        importing.settings_module("APP_SETTINGS", "the settings", "shop_settings")
    (problem,) = refused.value.problems
    return str(problem)
