"""What `make release` makes, and what it rejects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from channels_stack_deploy.build import builder

from .conftest import given

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "src/channels_stack/channels_stack/__init__.py"


def git(folder: Path, *arguments: str) -> None:
    """Run git there, as somebody."""
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What is here, as a repository of one commit whose changelog has a dated section."""
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "src",
            "Makefile",
            "LICENSE",
            "CHANGELOG.md",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.split()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [Unreleased]\n\n## [{builder.version()}] - 2026-01-31\n\n- News.\n\n"
        "## [0.0.1] - 2025-01-01\n\n- Old.\n"
    )
    (tmp_path / ".gitignore").write_text("/dist/\n__pycache__/\n*.egg-info/\nbuild/\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


def make(repository: Path) -> subprocess.CompletedProcess[str]:
    """`make release` there, with the images that are built."""
    command = [sys.executable, "-m", "channels_stack_deploy.build.distribution"]
    environment = {**os.environ, "PYTHONPATH": "src/channels_stack_deploy"}
    return subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=500
    )


def test_a_release_is_complete(repository):
    done = make(repository)
    assert done.returncode == 0, done.stdout + done.stderr
    dist = repository / "dist"
    number = builder.version()
    names = {path.name for path in dist.iterdir()}
    assert {
        f"channels_stack-{number}-py3-none-any.whl",
        f"channels_stack-{number}.tar.gz",
        "images.json",
    } <= names
    assert (dist / "NOTES.md").read_text() == "- News.\n"
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, capture_output=True, check=True
    )
    ids = json.loads((dist / "images.json").read_text())
    assert ids[given("EDGE_IMAGE")].startswith("sha256:")
    edge = json.loads((dist / "edge.cdx.json").read_text())
    assert (edge["bomFormat"], edge["metadata"]["component"]["type"]) == ("CycloneDX", "container")
    assert any(part["purl"].startswith("pkg:deb/debian/haproxy@") for part in edge["components"])
    app = json.loads((dist / "app-uvicorn.cdx.json").read_text())
    assert {"django", "channels", "uvicorn", "channels-stack"} <= {
        part["name"].lower() for part in app["components"]
    }


def test_all_that_is_in_the_way_is_named_and_nothing_is_made(repository):
    git(repository, "tag", f"v{builder.version()}")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    (repository / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    done = make(repository)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for words in ("not committed: CHANGELOG.md", "`## [0.1.0] - YYYY-MM-DD`", "v0.1.0 is another commit"):
        assert words in done.stderr
    assert not (repository / "dist").exists()
