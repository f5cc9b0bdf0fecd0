"""Only the tests of a running stack need services; they start those of the runtime's tests."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2] / "src/channels_stack"), str(HERE), str(HERE.parent / "runtime")]

collect_ignore = ["samples"]  # they have tests of their own, of Channels 2
