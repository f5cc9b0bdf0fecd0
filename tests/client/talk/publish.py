"""publish GROUP COUNT SECONDS: broadcasts "0", "1" … to GROUP, one each SECONDS."""

import asyncio
import sys

from . import settings


async def main(group: str, count: str, seconds: str) -> None:
    from channels_stack.groups import RedisGroupsChannelLayer

    layer = RedisGroupsChannelLayer(**settings.CHANNEL_LAYERS["default"]["CONFIG"])
    for number in range(int(count)):
        await layer.group_broadcast(group, str(number))
        await asyncio.sleep(float(seconds))


asyncio.run(main(*sys.argv[1:]))
