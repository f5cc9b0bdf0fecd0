"""images/app/extras.py: packages that do not work with each other, which only their extras say; a real pip resolves."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import extras
import imports
import install
import pytest


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """Put a package without modules into FOLDER."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    for line in requires:
        metadata += f"Requires-Dist: {line}\n"
        metadata += "".join(f"Provides-Extra: {extra}\n" for extra in re.findall(r'extra == "(\w+)"', line))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def venv(tmp_path, monkeypatch):
    """An empty environment, and an index of a few packages that only pip knows."""
    index = tmp_path / "index"
    index.mkdir()
    wheel(index, "django", "6.0")
    wheel(index, "redis", "5.0.6")
    wheel(index, "redis", "7.0.0")
    wheel(index, "celery", "5.4.0", "kombu>=5.3", 'redis!=4.5.5,<6; extra == "redis"')
    wheel(index, "kombu", "5.5.0", 'redis<=5.2.1,>=4.5.2; extra == "redis"')
    wheel(index, "kombu", "5.7.0", 'redis>=6.4; extra == "redis"', 'celery==4.1; extra == "celery"')
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    monkeypatch.setattr(install, "REPORTED", [])
    return install.Venv(str(tmp_path / "venv"))


@pytest.mark.parametrize(
    ("requirements", "versions", "reported"),
    [
        (
            ["django", "celery==5.4.0", "redis==5.0.6"],
            ("5.5.0", "5.0.6"),
            "kombu 5.5.0 was taken, because kombu 5.7.0",
        ),
        (
            ["django", "kombu==5.7.0", "redis==5.0.6"],
            ("5.7.0", "5.0.6"),
            "kombu 5.7.0 works with redis>=6.4, and",
        ),
        (
            ["django", "kombu==5.5.0", "redis"],
            ("5.5.0", "5.0.6"),
            "redis 5.0.6 was taken, because kombu 5.5.0",
        ),
        # Near-misses: what fits; no redis at all; an extra that names one exact version.
        (["django", "kombu", "redis"], ("5.7.0", "7.0.0"), ""),
        (["django", "kombu"], ("5.7.0", None), ""),
        (["django", "celery==5.4.0", "kombu==5.7.0"], ("5.7.0", None), ""),
    ],
)
def test_packages_that_do_not_fit_are_chosen_again_or_named(tmp_path, venv, requirements, versions, reported):
    (tmp_path / "requirements.txt").write_text("\n".join(requirements))
    present = install.install_application(venv, tmp_path, "requirements.txt", "")
    assert (present["kombu"], present.get("redis")) == versions
    assert len(install.REPORTED) == bool(reported)
    assert all(line.startswith(reported) for line in install.REPORTED)
    assert bool(extras.clashes(venv.site_packages)) == ("works with" in reported[:30])


def test_what_pip_left_without_metadata_is_passed_over(venv):
    """An upgrade that was interrupted leaves such a folder, and pip lists the others."""
    for name, text in {
        "gone-1.dist-info": "",
        "half-1.dist-info": "Metadata-Version: 2.1\nName: half\n",
    }.items():
        folder = venv.site_packages / name
        folder.mkdir()
        if text:
            (folder / "METADATA").write_text(text)
        (folder / "RECORD").write_text("gone.py,,\n")
        (venv.site_packages / "gone.py").write_text("")
    venv.pip("install", "redis==5.0.6")
    assert venv.packages() == {"redis": "5.0.6"}
    assert not extras.clashes(venv.site_packages)
    assert imports.broken(f"{venv.path}/bin/python", venv.site_packages, {"gone", "redis"}) == ([], set())
    assert not imports.needs(venv.site_packages, "redis", set())
