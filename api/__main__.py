"""`python -m api`: serve, or look after dead letters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from redis.exceptions import RedisError

from api import dead_letters
from api.serve import serve
from api.settings import ApiSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 when something that it needs is missing, 2 for a wrong call or wrong settings."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        settings = ApiSettings()
    except ValidationError as error:
        sys.stderr.write(f"api: {error}\n")
        return 2
    if options.command != "dead-letters":
        return serve(settings)
    try:
        if options.action == "list":
            return dead_letters.list_letters(settings, options.limit)
        if not options.all and options.id is None:
            parser.error("replay takes a partition and an id, or --all")
        chosen = None if options.all else (options.partition, options.id)
        return dead_letters.replay(settings, chosen)
    except (RedisError, OSError) as error:
        sys.stderr.write(f"api: Redis does not answer: {error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve until SIGTERM (the default)")
    actions = commands.add_parser("dead-letters", help="events that could not be written").add_subparsers(
        dest="action", required=True
    )
    actions.add_parser("list", help="print them").add_argument("--limit", type=int, default=100, help="a partition")
    replay = actions.add_parser("replay", help="send them again")
    replay.add_argument("--all", action="store_true")
    replay.add_argument("partition", type=int, nargs="?")
    replay.add_argument("id", nargs="?")
    return parser


if __name__ == "__main__":
    sys.exit(main())
