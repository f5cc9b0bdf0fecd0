"""Three Redis servers and three Sentinels, as images/redis/node.py makes them of its arguments."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import tempfile
import uuid

import redis as redis_py
from processes import free_port, until

IMAGE = pathlib.Path(__file__).resolve().parents[3] / "images/redis"
HOST, PASSWORD, SETTLE_SECONDS = "127.0.0.1", "only-for-tests", 60


class RedisSet:
    """Processes of this machine, each with a folder of its own below a temporary one."""

    def __init__(self) -> None:
        self.prefix = f"test-{uuid.uuid4().hex[:8]}"
        self.servers = [f"{HOST}:{free_port()}" for _ in range(3)]
        self.sentinels = [f"{HOST}:{free_port()}" for _ in range(3)]
        self.url = f"redis+sentinel://app:{PASSWORD}@{','.join(self.sentinels)}/redis/0"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def host(self) -> dict:
        """As the manual of channels_redis writes it."""
        login = {"username": "app", "password": PASSWORD}
        places = [(HOST, int(each.rpartition(":")[2])) for each in self.sentinels]
        return {"sentinels": places, "master_name": "redis", "sentinel_kwargs": login, **login}

    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(self.folder.name)
        rules = (IMAGE / "users.acl.template").read_text().replace("{password}", PASSWORD)
        (root / "acl").write_text(rules)
        (root / "password").write_text("another-password\n")
        # The folder of the image is not here.
        (root / "base").write_text((IMAGE / "redis.conf").read_text().replace("dir /data\n", ""))
        for name in self.servers:
            self.begin(name)
        for name in self.sentinels:
            self.begin(name)
        until(self.settled, SETTLE_SECONDS, "three Redis servers and three Sentinels know each other")

    def __enter__(self) -> RedisSet:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def begin(self, name: str) -> None:
        """Start the server or the Sentinel ``name``, for the first time or again."""
        root = pathlib.Path(self.folder.name)
        folder = root / name.replace(":", "-")
        folder.mkdir(exist_ok=True)
        role = "server" if name in self.servers else "sentinel"
        command = [sys.executable, str(IMAGE / "node.py"), role, "--name", name, *self.options]
        command += ["--acl", str(root / "acl"), "--base", str(root / "base"), "--folder", str(folder)]
        with (folder / "log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    @property
    def options(self) -> list[str]:
        """Where all are, and how they log in to each other."""
        places = ["--servers", ",".join(self.servers), "--sentinels", ",".join(self.sentinels)]
        return [*places, "--password-file", str(pathlib.Path(self.folder.name) / "password")]

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.folder.cleanup()

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)
        if number == signal.SIGKILL:
            self.processes[name].wait()

    def master(self) -> str:
        """The server that most Sentinels name; "" when they do not agree, or it is no master."""
        named = [self.states(each).get("address", "") for each in self.sentinels]
        name = max(set(named), key=named.count)
        if named.count(name) < 2 or name not in self.servers:
            return ""
        try:
            return name if self.client(name).role()[0] == b"master" else ""
        except redis_py.RedisError:
            return ""

    def settled(self) -> bool:
        """Whether every Sentinel knows the others and both replicas, and these follow."""
        known = [self.states(each) for each in self.sentinels]
        whole = all(
            state.get("flags") == "master" and state["num-slaves"] == state["num-other-sentinels"] == "2"
            for state in known
        )
        try:
            return whole and all(self.follows(each) for each in self.servers if each != known[0]["address"])
        except redis_py.RedisError:
            return False

    def follows(self, name: str) -> bool:
        replication = self.client(name).info("replication")
        return replication["role"] == "slave" and replication["master_link_status"] == "up"

    def states(self, sentinel: str) -> dict[str, str]:
        """What a Sentinel knows of the master; nothing when it does not answer."""
        try:
            answer = self.client(sentinel).execute_command("SENTINEL", "MASTER", "redis")
        except redis_py.RedisError:
            return {}
        pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
        state = {key.decode(): value.decode() for key, value in pairs}
        return {**state, "address": f"{state['ip']}:{state['port']}"}

    def client(self, name: str) -> redis_py.Redis:
        port = int(name.rpartition(":")[2])
        return redis_py.Redis(HOST, port, username="app", password=PASSWORD, socket_timeout=2)

    def logs(self) -> str:
        root = pathlib.Path(self.folder.name)
        return "\n".join(f"{path}:\n{path.read_text()[-2000:]}" for path in sorted(root.glob("*/log")))
