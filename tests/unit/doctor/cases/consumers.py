"""E6xx, W6xx: consumers and answers."""

from __future__ import annotations

from specimens import CONSUMERS

from .edits import JOIN, MODEL, SENT, code

REGISTRY = """
handlers = {}


def register(name):
    def kept(function):
        handlers[name] = function
        return function
    return kept


@register("add")
def add(a, b):
    return a + b
"""


def _beside_consumers(source):
    """Edits that give the consumers' module a sister with SOURCE, which it imports."""
    return {
        "chat/engine.py": source,
        CONSUMERS: ("from channels.consumer", "from . import engine\nfrom channels.consumer"),
    }


CASES = [
    (
        "E601",
        {
            CONSUMERS: [
                ("from channels.consumer", "import time\n\nfrom channels.consumer"),
                ("        await self.send_json(event)\n", "        time.sleep(1)\n"),
            ]
        },
        {
            CONSUMERS: [
                (
                    "from channels.consumer",
                    "import time\n\nfrom asgiref.sync import sync_to_async\nfrom channels.consumer",
                ),
                (
                    "        await self.send_json(event)\n",
                    "        await sync_to_async(time.sleep)(1)\n"
                    "        await sync_to_async(lambda: time.sleep(1))()\n",
                ),
            ]
        },
    ),
    (
        "E601",
        {
            CONSUMERS: [
                ("from channels.consumer", "import requests\nfrom channels.consumer"),
                ("        await self.send_json(event)\n", "        requests.get('https://example.org')\n"),
            ]
        },
        {
            CONSUMERS: [
                ("from channels.consumer", "import httpx\nfrom channels.consumer"),
                (
                    "        await self.send_json(event)\n",
                    "        async with httpx.AsyncClient() as client:\n"
                    "            await client.get('https://example.org')\n",
                ),
            ]
        },
    ),
    (
        "E601",
        {
            "chat/weather.py": "import requests\n\n\nasync def asked(city):\n    return parsed(city)\n\n\n"
            "def parsed(city):\n    return requests.get(city).json()\n",
            CONSUMERS: [
                ("from .models import Room\n", "from .models import Room\nfrom .weather import asked\n"),
                ("        await self.send_json(event)\n", "        await asked('Rome')\n"),
            ],
        },
        {
            "chat/weather.py": "import requests\n\n\ndef asked(city):\n    return requests.get(city).json()\n",
            CONSUMERS: [
                ("from .models import Room\n", "from .models import Room\nfrom .weather import asked\n"),
                (
                    "        await self.send_json(event)\n",
                    "        await database_sync_to_async(asked)('Rome')\n",
                ),
            ],
        },
    ),
    (
        "E602",
        {CONSUMERS: ("        await self.send_json(event)\n", "        self.room.save()\n")},
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        await self.room.asave()\n        await database_sync_to_async(self.room.save)()\n"
                "        self.picture.save()\n",
            )
        },
    ),
    (
        "E602",
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        room = Room(slug='a')\n        room.save()\n",
            )
        },
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        room = Form(slug='a')\n        room.save()\n",
            )
        },
    ),
    (
        "E602",
        {CONSUMERS: ("        await self.send_json(event)\n", '        self.scope["session"].save()\n')},
        {CONSUMERS: ("        await self.send_json(event)\n", '        self.scope["cart"].save()\n')},
    ),
    (
        "E602",
        {CONSUMERS: (MODEL, 'Room.objects.filter(slug="lobby").first()')},
        {CONSUMERS: (MODEL, 'await Room.objects.filter(slug="lobby").afirst()')},
    ),
    (
        "E603",
        {
            CONSUMERS: [
                ("from channels.consumer", "from asgiref.sync import async_to_sync\nfrom channels.consumer"),
                (
                    "        await self.channel_layer.group_send(self.group,",
                    "        async_to_sync(self.channel_layer.group_send)(self.group,",
                ),
            ]
        },
        code(
            "from asgiref.sync import async_to_sync\n\n\ndef tell(layer):\n"
            "    async_to_sync(layer.group_send)('all', {'type': 'said'})\n"
        ),
    ),
    ("E604", {CONSUMERS: (JOIN, JOIN.replace("await ", ""))}, {}),
    (
        "E604",
        {
            CONSUMERS: (
                "        await self.accept()\n",
                "        await self.accept()\n        self.room.asave()\n",
            )
        },
        {
            CONSUMERS: (
                "        await self.accept()\n",
                "        await self.accept()\n        await self.room.asave()\n",
            )
        },
    ),
    (
        "E604",
        {CONSUMERS: ("        await self.send_json(event)", "        self.send_json(event)")},
        {CONSUMERS: ("        await self.send_json(event)", "        return self.send_json(event)")},
    ),
    ("E605", {CONSUMERS: ('f"room-{', 'f"room:{')}, {CONSUMERS: ('f"room-{', 'f"room.{')}),
    (
        "E605",
        code(
            "async def tell(channel_layer):\n"
            "    await channel_layer.group_send('alle Räume', {'type': 'said'})\n"
        ),
        code(
            "async def tell(channel_layer):\n"
            "    await channel_layer.group_send('room-%s' % 5, {'type': 'said'})\n"
        ),
    ),
    (
        "E605",
        code(
            "NAME = 'x' * 2\n\n\nasync def tell(channel_layer):\n    await channel_layer.group_send('"
            + "x" * 100
            + "', {'type': 'said'})\n"
        ),
        code(
            "async def tell(channel_layer):\n    await channel_layer.group_send('"
            + "x" * 99
            + "', {'type': 'said'})\n"
        ),
    ),
    ("E606", {CONSUMERS: (SENT, '{"text": content["text"]}')}, {CONSUMERS: (SENT, "{**content}")}),
    (
        "E607",
        {CONSUMERS: ("return await self.close()", "return await self.disconnect(4003)")},
        {
            CONSUMERS: (
                "    async def said",
                "    async def disconnect(self, code):\n        pass\n\n    async def said",
            )
        },
    ),
    (
        "W609",
        {CONSUMERS: ('        await self.send_json({"room": self.room.name})\n', "")},
        {
            CONSUMERS: [
                ('        await self.send_json({"room": self.room.name})\n', ""),
                ("await self.send_json(event)", "self.said = event\n        await self.close()"),
            ]
        },
    ),
    (
        "W611",
        {
            CONSUMERS: [
                ("from channels.consumer", "players = {}\n\nfrom channels.consumer"),
                ("        await self.send_json(event)\n", "        players[self.channel_name] = event\n"),
            ]
        },
        # A table that nothing changes, and a variable of the function's own.
        {
            CONSUMERS: [
                ("from channels.consumer", "SPEEDS = {1: 2}\nseen = []\n\nfrom channels.consumer"),
                (
                    "        await self.send_json(event)\n",
                    "        seen = [SPEEDS[1]]\n        seen.append(event)\n        await self.send_json(event)\n",
                ),
            ]
        },
    ),
    (
        "W611",
        {
            "chat/engine.py": "games = {}\n\n\ndef get(code):\n    return games.setdefault(code, object())\n",
            CONSUMERS: ("from channels.consumer", "from . import engine\nfrom channels.consumer"),
        },
        # A module that no consumer imports.
        {"chat/engine.py": "games = {}\n\n\ndef get(code):\n    return games.setdefault(code, object())\n"},
    ),
    (
        "W611",
        {
            CONSUMERS: [
                ("from channels.consumer", "online = 0\n\nfrom channels.consumer"),
                (
                    "        await self.send_json(event)\n",
                    "        global online\n        online += 1\n        await self.send_json(event)\n",
                ),
            ]
        },
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        online = 0\n        online += 1\n        await self.send_json(event)\n",
            )
        },
    ),
    (
        "W611",
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        self.members.append(event)\n\n    members = []\n",
            )
        },
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        self.members = []\n        self.members.append(event)\n\n    members = []\n",
            )
        },
    ),
    (
        "W611",
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        self.members['a'] = event\n\n    members: dict = {}\n",
            )
        },
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        self.members['a'] = event\n\n    members: dict\n",
            )
        },
    ),
    (
        "W611",
        # Called at import as well as by a socket.
        _beside_consumers(f"{REGISTRY}\n\ndef renew(name):\n    register(name)(print)\n"),
        # Only decorators fill it, while the modules are imported.
        _beside_consumers(REGISTRY),
    ),
    (
        "W611",
        _beside_consumers(
            "seen = []\n\n\ndef f(*others):\n    def g(a, /):\n        seen.append(a)\n    return g\n"
        ),
        _beside_consumers("seen = []\n\n\ndef f(*seen):\n    seen.append(1)\n"),
    ),
    *(
        ("W611", _beside_consumers("seen = []\n\n\ndef f():\n    seen.append(1)\n"), _beside_consumers(close))
        for close in (
            "seen = []\n\n\ndef g(seen, /):\n    seen.append(1)\n",
            "seen = {}\n\n\ndef g(**seen):\n    seen.pop('a')\n",
            "seen = []\n\n\ndef f():\n    seen = []\n\n    def g():\n        seen.append(1)\n    return g\n",
            "seen = []\n\n\ndef f(seen):\n    return lambda: seen.append(1)\n",
            "seen = []\n\n\ndef f():\n    from .models import seen\n    seen.append(1)\n",
        )
    ),
    (
        "W608",
        code(
            "from django.http import StreamingHttpResponse\n\n\ndef rows():\n    yield 'a'\n\n\n"
            "def export(request):\n    return StreamingHttpResponse(rows())\n"
        ),
        code(
            "from django.http import StreamingHttpResponse\n\n\nasync def rows():\n    yield 'a'\n\n\n"
            "def export(request):\n    return StreamingHttpResponse(rows())\n"
        ),
    ),
    (
        "W608",
        code(
            "from django.http import StreamingHttpResponse\n\n\ndef export(request):\n"
            "    rows = (str(number) for number in range(9))\n    return StreamingHttpResponse(rows)\n"
        ),
        code(
            "from django.http import StreamingHttpResponse\n\n\nasync def export(request):\n"
            "    rows = (str(number) async for number in numbers())\n    return StreamingHttpResponse(rows)\n"
        ),
    ),
    (
        "W608",
        code(
            "from django.http import FileResponse\n\n\ndef get(request):\n    return FileResponse(open('/srv/a', 'rb'))\n"
        ),
        code(
            "from django.http import StreamingHttpResponse\n\n\ndef get(request, lines):\n"
            "    return StreamingHttpResponse(lines)\n"
        ),
    ),
]
