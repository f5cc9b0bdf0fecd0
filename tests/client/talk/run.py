"""A Redis, and a plain uvicorn that is started again whenever it ends; its process id is in /tmp/server."""

import pathlib
import subprocess
import sys
import time

subprocess.Popen(["redis-server", "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
command = [sys.executable, "-m", "uvicorn", "--host", "0.0.0.0", "--port", "8000", "--log-level", "warning"]
while True:
    server = subprocess.Popen([*command, "--timeout-graceful-shutdown", "3", "talk.asgi:application"])
    pathlib.Path("/tmp/server").write_text(str(server.pid))
    server.wait()
    time.sleep(0.2)  # a server that cannot start at all is to leave some of the processor
