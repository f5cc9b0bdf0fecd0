"""`make adopt P=../myproject`: what a project has, as the lines of stack.env and app.env that run it.

Everything is read from its files, and nothing of it is run: `tree` parses its sources, `modules` finds its settings and
its ASGI application, `requirements` what it installs, `interpreter` its Python, `processes` its workers, `folders` what
it writes to, `variables` what its settings read. `proposal` puts them together, `lines` writes them down, keeping what
an operator has written. What cannot be determined is a question with its candidates, never a guess.
"""

import sys

from ..paths import ROOT

# The doctor's reading of sources needs nothing but Python, so nothing has to be built or installed for it.
sys.path.append(str(ROOT / "src/channels_stack"))
