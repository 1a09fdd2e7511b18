"""`python -m api dead-letters`: look at what projection could not apply, and send it again once the cause is gone."""

from __future__ import annotations

import asyncio
import json
import sys

from api.connections import connect_all
from api.projection import dead_letters
from api.settings import ApiSettings

_SHOWN = 300


def list_letters(settings: ApiSettings, limit: int) -> int:
    """Print at most `limit` letters of each partition, a JSON object a line. Returns the exit code."""

    async def run() -> None:
        redis = connect_all(settings.redis_url, settings.replica, retries=1)
        try:
            for letter in await dead_letters.list_dead(redis, range(settings.partitions), limit=limit):
                sys.stdout.write(_line(letter) + "\n")
        finally:
            await redis.aclose()

    asyncio.run(run())
    return 0


def _line(letter: dead_letters.DeadLetter) -> str:
    fields = {name.decode(): value.decode(errors="replace")[:_SHOWN] for name, value in letter.fields.items()}
    origin = {"partition": letter.partition, "id": letter.id, "source": letter.source, "error": letter.error}
    return json.dumps({**origin, "fields": fields}, ensure_ascii=False)


def replay(settings: ApiSettings, chosen: tuple[int, str] | None) -> int:
    """Send the `chosen` letter (partition, id) again, or all. Returns the exit code: 1 when there is no such letter."""

    async def run() -> int:
        redis = connect_all(settings.redis_url, settings.replica, retries=1)
        try:
            if chosen is not None:
                return int(await dead_letters.replay(redis, *chosen))
            count = 0
            for partition in range(settings.partitions):
                for letter in await dead_letters.list_dead(redis, [partition], limit=dead_letters.MAX_DEAD_LETTERS):
                    count += await dead_letters.replay(redis, partition, letter.id)
            return count
        finally:
            await redis.aclose()

    count = asyncio.run(run())
    sys.stdout.write(f"{count} sent again\n")
    return 0 if count or chosen is None else 1
