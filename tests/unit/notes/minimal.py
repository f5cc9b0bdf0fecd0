"""Where the minimal project of the notes and the runtime are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RUNTIME = ROOT / "images/app/runtime"
PROJECT = ROOT / "tests/versions/project"
