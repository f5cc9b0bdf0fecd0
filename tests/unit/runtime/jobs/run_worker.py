"""A worker on the port and with the heartbeat file that the test gives: PORT HEARTBEAT CHANNEL…"""

import sys

from channels_stack import logs, worker
from channels_stack.settings import Settings

if __name__ == "__main__":
    port, heartbeat, *channels = sys.argv[1:]
    settings = Settings.from_environment()
    logs.configure(settings, "worker")
    sys.exit(worker.main(settings, channels, int(port), heartbeat))
