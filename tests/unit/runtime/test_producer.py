"""Sending from processes without an event loop: how many connections to Redis that takes."""

from __future__ import annotations

import redis as redis_py
from processes import Project
from test_worker import census

SENDS = 100


def produce(project: Project, code: str, **environment: str) -> str:
    """Run ``code`` in a process like a cron job's; what it printed."""
    start = "import os, sys, django; django.setup(); from channels_stack import producer\n"
    process = project.python("-c", start + code, **environment)
    assert process.wait() == 0, process.output()
    return process.output()


# Prints how many other connections there have been during the sends, and how many are open after them.
COUNTED = """
import redis
client = redis.Redis.from_url(os.environ["REDIS_URL"])
before = client.info("stats")["total_connections_received"]
{sends}
print(client.info("stats")["total_connections_received"] - before, len(client.client_list()) - 1)
"""
OURS = f"for n in range({SENDS}): producer.send('reports', {{'type': 'report.make', 'number': n}})"
STOCK = f"""
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
for n in range({SENDS}): async_to_sync(get_channel_layer("tasks").send)("reports", {{"type": "x", "number": n}})
"""


def test_100_sends_take_one_connection_where_the_stock_way_takes_one_each(project, redis):
    assert produce(project, COUNTED.format(sends=OURS)).split() == ["1", "1"]
    assert census(redis).waiting == SENDS
    made, _ = produce(project, COUNTED.format(sends=STOCK), JOBS_CORE_LAYER="1").split()
    assert int(made) >= SENDS


def test_it_serves_every_layer_and_groups(project, redis):
    sends = "for n in range(50): producer.send('reports', {'type': 'x'}); producer.group_send('room', {'type': 'x'})"
    # The layer for groups has two connections: one is for subscriptions.
    made, _ = produce(project, COUNTED.format(sends=sends), JOBS_CORE_LAYER="1").split()
    assert int(made) <= 3
    assert redis_py.Redis(port=redis.port).zcard(f"{redis.prefix}:core:reports") == 50


def test_threads_share_the_connection_and_a_fork_has_its_own(project, redis):
    code = """
import threading
def send(n): producer.send("reports", {"type": "x", "number": n})
threads = [threading.Thread(target=send, args=[n]) for n in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
child = os.fork()
send(100 + bool(child))
if child == 0: os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("sent")
"""
    assert produce(project, code, PYTHONWARNINGS="ignore::DeprecationWarning") == "sent\n"
    assert census(redis).waiting == 10


def test_it_raises_what_the_layer_raises(project, redis):
    code = """
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
get_channel_layer("tasks").capacity = 1
producer.send("reports", {"type": "x"})
try: producer.send("reports", {"type": "x"})
except ChannelFull as error: print(error)
try: producer.send("reports", {"type": "x"}, layer="nosuch")
except LookupError as error: print(error.args[0])
"""
    full, unknown = produce(project, code).splitlines()
    assert full == "channel reports: 1 jobs wait already (the layer's capacity)"
    assert unknown == "channel layer 'nosuch' is not configured: add it to CHANNEL_LAYERS"


def test_it_gives_up_after_its_time_limit(project):
    code = """
import socket, time
silent = socket.create_server(("127.0.0.1", 0))
from channels.layers import channel_layers
from channels_stack.streams import RedisStreamsChannelLayer
address = "redis://127.0.0.1:%d" % silent.getsockname()[1]
channel_layers.set("tasks", RedisStreamsChannelLayer(hosts=[address]))
start = time.monotonic()
try: producer.send("reports", {"type": "x"}, timeout=0.5)
except TimeoutError as error: print(error, time.monotonic() - start < 3)
"""
    assert produce(project, code) == "the channel layer did not answer within 0.5 s True\n"
