"""The end of a deploy: whether the stack serves through each address of its edges.

python3 -m channels_stack_deploy.checks --folder FOLDER [--path /] [--probes FILE] [--paths JSON] ADDRESS…

FOLDER holds the environment's stack.env, secrets and authority; JSON is what `channels-stack paths` prints in a container.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..config import settings as stack_settings
from ..console import Failure
from ..paths import Deployment
from . import probes, public, reasons, visit


def main() -> int:
    """Visit each address; 1 with a line for each thing that does not answer as it should."""
    parser = argparse.ArgumentParser(prog="channels_stack_deploy.checks", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--probes", type=Path)
    parser.add_argument("--paths", default="")
    parser.add_argument("addresses", nargs="+", metavar="ADDRESS")
    options = parser.parse_args()
    deployment = Deployment(options.folder)
    try:
        settings = stack_settings.load(deployment.settings)
        declared = probes.load(options.probes, deployment.folder) if options.probes else []
        paths = visit.Paths.read(options.paths).served(settings)
        sites = [
            visit.reached(settings, visit.site(settings, deployment, address))
            for address in options.addresses
        ]
        problems = visit.everything(
            sites,
            options.path,
            paths,
            deployment.folder,
            declared,
            lambda there: public.problems(there, settings, paths),
        )
        if problems:
            problems.insert(0, reasons.ABOVE)
    except Failure as failure:
        problems = [str(failure)]
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
