"""`python -m client`: submit tasks and watch them, from a terminal."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from client.errors import ClientError
from client.follow import Gap, Restarted, follow
from client.tasks import Tasks
from protocol.events import Event, State

_FAILED = 1
_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 when the service or a task failed, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_run(options))
    except (ClientError, httpx.TransportError) as error:
        Console(stderr=True).print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return _FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m client", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("API_URL", "http://127.0.0.1:8000"), help="where the API is")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("kinds", help="list the kinds of task and their parameters")
    submit = commands.add_parser("submit", help="submit a task and, unless --detach, follow it")
    submit.add_argument("kind")
    submit.add_argument("params", nargs="*", metavar="name=value", help="a value is JSON, or else text")
    submit.add_argument("--times", type=int, default=1, help="submit it so many times")
    submit.add_argument("--detach", action="store_true", help="print the id and leave")
    for name, text in (("follow", "follow tasks"), ("show", "print tasks"), ("cancel", "cancel tasks")):
        commands.add_parser(name, help=text).add_argument("ids", nargs="+")
    commands.add_parser("result", help="print the result of a task").add_argument("id")
    return parser


async def _run(options: argparse.Namespace) -> int:
    async with Tasks(options.url) as tasks:
        if options.command == "submit":
            return await _submit(tasks, options)
        if options.command == "follow":
            return await _watch(options.url, options.ids)
        async for line in _ask(tasks, options):
            sys.stdout.write((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False, indent=2)) + "\n")
        return 0


async def _submit(tasks: Tasks, options: argparse.Namespace) -> int:
    params = dict(map(_pair, options.params))
    ids = [(await tasks.submit(options.kind, params))["id"] for _ in range(options.times)]
    if options.detach:
        sys.stdout.writelines(f"{task}\n" for task in ids)
        return 0
    return await _watch(options.url, ids)


async def _ask(tasks: Tasks, options: argparse.Namespace) -> AsyncIterator[Any]:
    """What the commands that only ask print."""
    match options.command:
        case "kinds":
            for kind in await tasks.kinds():
                yield {"name": kind["name"], "summary": kind["summary"], "params": kind["params"]["properties"]}
        case "show":
            for task in options.ids:
                yield await tasks.get(task)
        case "cancel":
            for task in options.ids:
                yield (await tasks.cancel(task))["state"]
        case "result":
            yield await tasks.result(options.id)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        Console(stderr=True).print(f"{text!r} is not name=value", style="red", markup=False)
        raise SystemExit(_USAGE)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


async def _watch(url: str, ids: Sequence[str]) -> int:
    """A progress bar for each task, until all have ended."""
    columns = (
        TextColumn("{task.fields[short]}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}  {task.fields[chunks]} chunks  {task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        states = await asyncio.gather(*(_watch_one(url, task, bars) for task in ids))
    return 0 if all(state is State.SUCCEEDED for state in states) else _FAILED


async def _watch_one(url: str, task: str, bars: Progress) -> State:
    bar = bars.add_task(task, total=None, short=task[-12:], state="queued", chunks=0, note="")
    state, chunks, attempt = State.QUEUED, 0, 0
    async for update in follow(url, task):
        match update:
            case Event():
                if update.attempt > attempt:
                    attempt, chunks = update.attempt, 0
                chunks += update.type == "chunk"
                state = update.state or state
                progress = update.data.get("progress") or {}
                error = (update.data.get("error") or {}).get("message")
                bars.update(bar, state=state.value, chunks=chunks, note=error or update.data.get("message") or "")
                if progress:
                    bars.update(bar, completed=progress["current"], total=progress["total"])
            case Gap(after, before):
                bars.update(bar, note=f"lost: events {after + 1} to {before - 1}")
            case Restarted():
                chunks = 0
                bars.update(bar, note="the stream began anew")
    return state


if __name__ == "__main__":
    sys.exit(main())
