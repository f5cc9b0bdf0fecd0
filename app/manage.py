#!/usr/bin/env python
"""Django's command line for the reference application."""

import os
import sys


def main() -> None:
    """Run the command in argv; a refused configuration is printed line by line and exits 78 (EX_CONFIG)."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from channels_stack.environment import ConfigurationError

    try:
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.exit(_refused(error))


def _refused(error: Exception) -> int:
    print(error, file=sys.stderr)
    return 78


if __name__ == "__main__":
    main()
