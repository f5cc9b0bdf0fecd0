"""`channels-stack dead`: show, retry or drop jobs that have used up their retries."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timezone
from typing import Any

from redis.exceptions import RedisError

from ..config.settings import Settings
from ..layers import config
from ..observability.terminal import printable
from ..project import loading
from .queue import Jobs, Letter, of_layer

REASON_WIDTH = 80


def main(settings: Settings, action: str, channel: str, entry: str, everything: bool, as_json: bool) -> int:
    """Do ``action`` (list, show, retry or drop) with the dead letters of ``channel``, or with the one ``entry``.

    Without a channel: with those of all channels. Retry and drop want ``everything`` for that, to say that it is
    meant. The exit code is 0, or 1 when there is no such letter or Redis does not answer. Raises ConfigurationError
    where the project cannot be loaded.
    """
    if action in ("retry", "drop") and not (channel or everything):
        print(f"channels-stack: dead {action}: name a channel, or --all for every one", file=sys.stderr)
        return 2
    loading.setup_django(settings, "dead")
    try:
        return asyncio.run(_main(_jobs(settings), action, channel, entry, as_json))
    except (RedisError, OSError) as error:
        print(f"channels-stack: dead {action}: Redis does not answer: {error}", file=sys.stderr)
        return 1


def _jobs(settings: Settings) -> Jobs:
    """Where the worker of this project keeps its jobs."""
    from channels.layers import get_channel_layer

    alias = "tasks" if config.configured("tasks") else "default"
    return of_layer(settings, get_channel_layer(alias))


async def _main(jobs: Jobs, action: str, channel: str, entry: str, as_json: bool) -> int:
    channels = [channel] if channel else await jobs.buried_channels()
    letters = [letter for each in channels for letter in await jobs.letters(each, entry)]
    if entry and not letters:
        where = f"channel {channel}" if channel else "any channel"
        print(f"channels-stack: no dead letter {entry} in {where}", file=sys.stderr)
        return 1
    if action in ("list", "show"):
        print(_as_json(letters) if as_json else _as_text(letters, action == "show"))
        return 0
    step = jobs.revive if action == "retry" else jobs.drop
    # Another one at the same work may have been quicker.
    count = sum([await step(letter) for letter in letters])
    word = {"retry": "retried", "drop": "dropped"}[action]
    print(json.dumps({word: count}) if as_json else f"{count} {word}")
    return 0


def _as_text(letters: list[Letter], full: bool) -> str:
    if not letters:
        return "no dead letters"
    if full:
        return printable("\n\n".join(map(_in_full, letters)))
    rows = [
        (
            letter.channel,
            letter.entry,
            _time(letter.died),
            str(letter.attempts),
            printable(_type(letter)),
            printable(_reason(letter)),
        )
        for letter in letters
    ]
    rows.insert(0, ("CHANNEL", "ID", "DIED", "ATTEMPTS", "TYPE", "REASON"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    )


def _in_full(letter: Letter) -> str:
    message = json.dumps(letter.message(), indent=2, default=repr, ensure_ascii=False)
    head = f"{letter.channel} {letter.entry}\ndied {_time(letter.died)} after {letter.attempts} attempts"
    return "\n".join(filter(None, [head, f"reason: {letter.reason}", message, letter.traceback.rstrip()]))


def _as_json(letters: list[Letter]) -> str:
    return json.dumps(
        [
            {
                "channel": letter.channel,
                "id": letter.entry,
                "job": letter.first,
                "died": _time(letter.died),
                "attempts": letter.attempts,
                "reason": letter.reason,
                "message": letter.message(),
                "traceback": letter.traceback,
            }
            for letter in letters
        ],
        indent=2,
        default=repr,
    )


def _type(letter: Letter) -> str:
    message: Any = letter.message()
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else "-"


def _reason(letter: Letter) -> str:
    first = letter.reason.partition("\n")[0]
    return first if len(first) <= REASON_WIDTH else first[: REASON_WIDTH - 1] + "…"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
