"""A release that waits for its database as many seconds as the test gives."""

import sys

from channels_stack.commands import release
from channels_stack.config.settings import Settings
from channels_stack.observability import logs

if __name__ == "__main__":
    settings = Settings.from_environment()
    logs.configure(settings, "release")
    sys.exit(release.main(settings, database_wait_seconds=float(sys.argv[1])))
