"""`python -m bench`: measure, from outside, what is running."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.compare import Plan, checked, compare
from bench.errors import BenchError
from bench.followers import Crowding, followers
from bench.latency import Burst, latency
from bench.machine import machine
from bench.polling import STRATEGIES
from bench.report import raw, text

_FAILED: Final = 1
_INTERRUPTED: Final = 130
_HUB: Final = "http://127.0.0.1:8080"
_API: Final = "http://127.0.0.1:8000"

# What the services take.
_MOST_DIGITS: Final = 10_000
_LONGEST_PACE_MS: Final = 60_000
_MOST_AT_ONCE: Final = 1_000_000
_MOST_BYTES: Final = 65_536

# What is beyond these is a slip of the keyboard, or more than one machine can tell anything about.
_MOST_CLIENTS: Final = 10_000
_LONGEST_S: Final = 3_600
_MOST_REPEATS: Final = 1_000
_MOST_PROCESSES: Final = 256


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 when something failed or differs, 2 for a wrong call, 130 when interrupted."""
    options = parsed(arguments)
    try:
        return int(asyncio.run(options.run(options)))
    except BenchError as error:
        _say(f"{type(error).__name__}: {error}")
        return _FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return _INTERRUPTED


async def _compare(options: argparse.Namespace) -> int:
    plan = Plan(
        digits=options.digits,
        pace_ms=tuple(options.pace),
        clients=options.clients,
        interval_ms=options.interval,
        strategy=options.strategy,
        seed=options.seed,
        repeat=options.repeat,
        idle_s=options.idle,
    )
    conditions = machine()
    url = options.url.rstrip("/")
    comparison = await compare(plan, options.api or f"{url}/api", options.baseline or f"{url}/baseline")
    faults = checked(comparison)
    sys.stdout.write(text(comparison, conditions) + "\n\n")
    if options.json:
        _write(options.json, json.dumps(raw(comparison, conditions, faults), indent=1))
    if faults:
        sys.stdout.writelines(f"{fault}\n" for fault in faults)
        sys.stdout.write("DIFFERENT: the figures above compare nothing\n")
        return _FAILED
    sys.stdout.write(
        f"identical: in each run every one of {2 * plan.clients} clients received the same {plan.digits} chunks and "
        "the same result, once and in order\n"
    )
    return 0


async def _latency(options: argparse.Namespace) -> int:
    load = Burst(options.rate, options.seconds, options.burst, options.size, options.followers, options.processes)
    lines, complete = await latency(options.api, load)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if complete else _FAILED


async def _followers(options: argparse.Namespace) -> int:
    load = Crowding(options.followers, options.tasks, options.rate, options.seconds, options.processes)
    lines, complete = await followers(options.api, load)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if complete else _FAILED


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content + "\n")
    except OSError as error:
        raise BenchError(f"{path} cannot be written: {error.strerror}") from error


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options. Raises SystemExit with 2, after a sentence on stderr, for what makes no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    shortest, longest = getattr(options, "pace", (0, 0))
    if shortest > longest:
        parser.error(f"argument --pace: the least pause, {shortest} ms, is longer than the longest, {longest} ms")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_compare(commands.add_parser("compare", help="both sides with the same task and as many clients"))
    load = commands.add_parser("latency", help="one task of the event-driven side at a rate, followed by a few")
    load.add_argument("--burst", type=_whole(1, _MOST_AT_ONCE), default=1, help="updates at once; the rate stays")
    load.add_argument("--size", type=_whole(0, _MOST_BYTES), default=32, help="bytes of data in an update")
    _add_load(load, followers=5, rate=200, run=_latency)
    crowd = commands.add_parser("followers", help="many followers of several tasks: what they get, and what they cost")
    crowd.add_argument(
        "--tasks", type=_whole(1, _MOST_CLIENTS), default=10, help="tasks, on which the followers are spread"
    )
    _add_load(crowd, followers=200, rate=5, run=_followers)
    return parser


def _add_compare(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--url", default=_HUB, help="the hub, which has both at /api and /baseline")
    add("--api", help="the event-driven side, when it is elsewhere or without the hub")
    add("--baseline", help="the polling side, likewise")
    add("--digits", type=_whole(1, _MOST_DIGITS), default=100)
    add(
        "--pace",
        type=_whole(1, _LONGEST_PACE_MS),
        nargs=2,
        default=(100, 500),
        metavar="MS",
        help="least and longest pause",
    )
    add("--clients", type=_clients, default=5, help="on each side")
    add("--interval", type=_whole(1, 1000 * _LONGEST_S), default=150, metavar="MS", help="from one request to the next")
    add("--strategy", choices=STRATEGIES, default="plain", help="of polling")
    add(
        "--seed",
        type=_whole(0, 2**32 - 1),
        default=random.randrange(2**16),
        help="of the pauses; random when it is not given",
    )
    add("--repeat", type=_whole(1, _MOST_REPEATS), default=3)
    add("--idle", type=_seconds, default=10.0, metavar="S", help="so long the idle servers are measured first; 0: not")
    add("--json", type=Path, metavar="FILE", help="write everything that was measured")
    command.set_defaults(run=_compare)


def _add_load(command: argparse.ArgumentParser, *, followers: int, rate: float, run: object) -> None:
    add = command.add_argument
    add("--api", nargs="+", default=[_API], metavar="URL", help="replicas, among which the followers are divided")
    add("--followers", type=_clients, default=followers)
    add("--rate", type=_rate, default=rate, help="updates a second of each task")
    add("--seconds", type=_whole(1, _LONGEST_S), default=10)
    add(
        "--processes",
        type=_whole(1, _MOST_PROCESSES),
        default=1,
        help="of followers: one of them takes in some 10,000 events a second",
    )
    command.set_defaults(run=run)


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Takes whole numbers within these limits."""

    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{value} is not between {least:,} and {most:,}")
        return value

    return number


_clients = _whole(1, _MOST_CLIENTS)
_processes = _whole(1, _MOST_PROCESSES)
_pause_ms = _whole(1, _LONGEST_PACE_MS)
_seed = _whole(0, 2**32 - 1)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= _LONGEST_S:  # NaN is not either
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_LONGEST_S:,}")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100,000")
    return value


if __name__ == "__main__":
    sys.exit(main())
