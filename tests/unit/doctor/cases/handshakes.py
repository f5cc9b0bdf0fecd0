"""Rules about handshakes, and a case for each."""

from __future__ import annotations

from specimens import CONSUMERS, Edits

GUARD = '        if not self.scope["user"].is_authenticated:\n            return await self.close()\n'
ACCEPT = "        await self.accept()\n"
ANSWERED = (
    '        if not self.scope["user"].is_authenticated:\n            await self.refuse()\n            return\n',
    "        try:\n            await self.check()\n        except ValueError:\n            raise DenyConnection()\n",
    "        allowed = await self.check()\n        if not allowed:\n            await self.close()\n        if not allowed:\n"
    "            return\n",
    "        if await guards.refuse(self):\n            return\n",
)
"""Ways to refuse a handshake before the return."""
HELPERS = (
    "    async def check(self):\n        return self.scope['url_route']\n\n"
    "    async def refuse(self):\n        await self.close()\n\n    async def said"
)
IMPORTS = "from channels.exceptions import DenyConnection\n\nfrom . import guards\nfrom channels.consumer"


def _guarded(guard: str) -> Edits:
    return {
        CONSUMERS: [
            (GUARD, guard),
            ("    async def said", HELPERS),
            ("from channels.consumer", IMPORTS),
        ]
    }


def _conditional(otherwise: str) -> Edits:
    accept = '        if self.scope["user"].is_authenticated:\n            await self.accept()\n' + otherwise
    joins = "        await self.channel_layer.group_add(self.group, self.channel_name)\n"
    return {CONSUMERS: [(GUARD, ""), (joins, ""), (ACCEPT, accept)]}


def _signed_in(name: str, where: str = "parse_qs(scope['query_string'])") -> Edits:
    """A middleware that takes NAME out of what is WHERE."""
    return {"chat/extra.py": f"def who(scope):\n    values = {where}\n    return values.get({name})\n"}


CASES: list[tuple[str, Edits, Edits | None]] = [
    ("W519", _signed_in("'token'"), _signed_in("'ticket'")),
    ("W519", _signed_in("b'access_token', [None]"), _signed_in("'token'", "dict(scope['headers'])")),
    ("E610", _guarded('        if not self.scope["user"].is_authenticated:\n            return\n'), None),
    (
        "E610",
        _guarded("        if not await self.check():\n            print('who?')\n            return\n"),
        {CONSUMERS: (ACCEPT, "        await super().connect()\n        return\n")},
    ),
    ("E610", _conditional(""), _conditional("        else:\n            await self.close()\n")),
    *(
        ("E610", _guarded("        if not await self.check():\n            return\n"), _guarded(guard))
        for guard in ANSWERED
    ),
]
