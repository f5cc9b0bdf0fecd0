"""Makes the tool (src/channels_stack_deploy) importable: Ansible may run from any Python that has it.

Import this before channels_stack_deploy.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[7] / "src/channels_stack_deploy"))
