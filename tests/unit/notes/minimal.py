"""Where the minimal project of the notes and the runtime are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RUNTIME = ROOT / "src/channels_stack"
PROJECT = ROOT / "tests/versions/project"
