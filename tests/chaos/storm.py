"""A seeded storm: tasks and followers under load while processes are killed, stopped and restarted at random.

    python -m tests.chaos.storm --seed 7 --tasks 200 --seconds 120

What is done, in which order and with which tasks follows from the seed. When, in the life of a task, it strikes does
not: that is up to the machine. The checker (`tests/chaos/checker.py`) needs no knowledge of what was done.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import httpx

from client.errors import ClientError, Refused
from client.follow import Backoff, Follower
from client.tasks import Tasks
from local.children import adopt_orphans
from tests.chaos.checker import check
from tests.chaos.faults import pick_faults
from tests.chaos.leaks import check_connections, check_processes
from tests.chaos.record import Record, Submitted, Transcript
from tests.chaos.stack import Stack, descendants, stack

_SUBMIT_PATIENCE_S: Final = 60.0
_FOLLOW_PATIENCE_S: Final = 90.0
_LONG_SHARE: Final = 0.05
_CANCELLED_SHARE: Final = 0.1
_LONG: Final = {"updates": 1200, "rate": 20}
"""A task that runs for a minute when its cancel has no effect; half of the cancelled ones are such."""
_SETTLE_S: Final = 120.0
"""From the end of the storm until every task must have ended: leases run out, attempts are repeated."""


def pick_task(dice: random.Random) -> tuple[str, dict[str, Any]]:
    """A kind and its parameters; most take some seconds."""
    seed = dice.randrange(2**32)
    match dice.randrange(5):
        case 0:
            return "compute_pi", {"digits": dice.randint(20, 200), "pace_ms": [5, 60], "seed": seed}
        case 1:
            return "document_analysis", {"pace_ms": [5, 60], "seed": seed}
        case 2:
            rate = dice.choice([50, 300, 1000])
            return "synthetic", {"updates": int(rate * dice.uniform(1, 8)), "rate": rate, "size": 20}
        case 3:
            return "synthetic", {"updates": 500, "rate": 0, "burst": 50, "size": 2000, "delay_s": dice.uniform(0, 2)}
        case _:
            return "synthetic", {"updates": 40, "rate": 20, "fail_at": dice.choice([None, 5, 30]), "progress": False}


class Storm:
    """Load and faults on a running stack."""

    def __init__(
        self, system: Stack, *, seed: int, tasks: int, seconds: float, followers: int, wipes: bool = False
    ) -> None:
        self._system = system
        self._dice = random.Random(f"storm {seed}")
        self._tasks = tasks
        self._seconds = seconds
        self._followers = followers
        self._wipes = wipes
        self.record = Record()

    async def run(self) -> Record:
        """Everything at once; returns when the faults are over, the system is healed, and every follower has ended."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._load(group))
            await self._faults()
            await asyncio.to_thread(self._system.heal)
        return self.record

    async def _load(self, group: asyncio.TaskGroup) -> None:
        dice = random.Random(self._dice.random())
        for number in range(self._tasks):
            kind, params = pick_task(dice)
            chance = dice.random()
            if chance < _LONG_SHARE:
                kind, params = "synthetic", _LONG
            group.create_task(self._one(number, Submitted(kind, params), chance))
            await asyncio.sleep(dice.expovariate(self._tasks / self._seconds))

    async def _one(self, number: int, asked: Submitted, chance: float) -> None:
        """Submit a task, follow it with some, cancel a few."""
        task = await self._submit(number, asked)
        self.record.accepted[task] = asked
        async with asyncio.TaskGroup() as group:
            for follower in range(1 + int(chance * 10) % self._followers):
                group.create_task(self._follow(task, follower))
            if chance < _CANCELLED_SHARE:
                group.create_task(self._cancel(task, chance * 20))

    async def _submit(self, number: int, asked: Submitted) -> str:
        """Until it is accepted: a client that gets no answer asks again under the same key."""
        deadline = time.monotonic() + _SUBMIT_PATIENCE_S
        attempt = number
        while True:
            attempt += 1
            try:
                async with Tasks(self._url(attempt)) as tasks:
                    submitted = await tasks.submit(asked.kind, asked.params, idempotency_key=f"storm-{number}")
                    return str(submitted["id"])
            except (httpx.TransportError, Refused) as error:
                if time.monotonic() > deadline:
                    raise
                if isinstance(error, Refused) and error.status < httpx.codes.INTERNAL_SERVER_ERROR:
                    raise
                await asyncio.sleep(0.2)

    async def _follow(self, task: str, number: int) -> None:
        urls = [self._url(number + i) for i in range(len(self._system.urls))]
        transcript = Transcript(task)
        self.record.transcripts.append(transcript)
        follower = Follower(urls, task, backoff=Backoff(most_s=1.0, give_up_after_s=_FOLLOW_PATIENCE_S))
        try:
            async with asyncio.timeout(self._seconds + _SETTLE_S):
                async for update in follower.updates():
                    transcript.updates.append(update)
        except (ClientError, TimeoutError) as error:
            transcript.problem = f"{type(error).__name__}: {error}"

    async def _cancel(self, task: str, after_s: float) -> None:
        """Until there is an answer, at one replica after the other."""
        await asyncio.sleep(after_s)
        asked = self.record.accepted[task]
        asked.cancel_sent = True
        deadline = time.monotonic() + _SUBMIT_PATIENCE_S
        for url in cycle(self._system.urls):
            try:
                async with Tasks(url) as tasks:
                    await tasks.cancel(task)
                    asked.cancelled_at = time.time() * 1000
                    return
            except (httpx.TransportError, Refused) as error:
                refused = isinstance(error, Refused) and error.status < httpx.codes.INTERNAL_SERVER_ERROR
                if refused or time.monotonic() > deadline:
                    self.record.notes.append(f"cancel of {task} refused: {error}")
                    return
                await asyncio.sleep(0.2)

    def _url(self, number: int) -> str:
        return self._system.urls[number % len(self._system.urls)]

    async def _faults(self) -> None:
        """Faults with pauses between them, now and then two at the same time, for the time of the storm."""
        dice = random.Random(self._dice.random())
        end = time.monotonic() + self._seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, dice.uniform(0.5, 4.0)))
            faults = pick_faults(self._system, dice, wipes=self._wipes)
            self.record.faults += [" + ".join(fault.name for fault in faults)]
            self.record.may_restart |= any(fault.may_lose_data for fault in faults)
            notes = await asyncio.gather(*(asyncio.to_thread(fault.strike) for fault in faults))
            self.record.notes += filter(None, notes)


async def weather(
    system: Stack, *, seed: int, tasks: int, seconds: float, followers: int, wipes: bool = False
) -> tuple[Record, list[str]]:
    """A storm and its check; returns what was seen and what is wrong (nothing, one hopes)."""
    storm = Storm(system, seed=seed, tasks=tasks, seconds=seconds, followers=followers, wipes=wipes)
    record = await storm.run()
    problems = await check(system, record, settle_s=_SETTLE_S)
    return record, problems


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when there is a problem."""
    options = _options(arguments)
    sys.stdout.write(f"storm with --seed {options.seed}: {options.tasks} tasks in {options.seconds:g} s\n")
    with tempfile.TemporaryDirectory(prefix="storm-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        record, problems = _storm_in(folder, options)
    _tell(record, problems)
    return 1 if problems else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it started is ended
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--followers", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster", action="store_true", help="on a Redis Cluster of three nodes, which are hurt too")
    parser.add_argument("--wipes", action="store_true", help="let Redis lose all of its data, too")
    parser.add_argument("--keep", type=Path, help="keep data and logs in this folder")
    return parser.parse_args(arguments)


def _storm_in(folder: Path, options: argparse.Namespace) -> tuple[Record, list[str]]:
    """A stack in `folder`, a storm on it, and what is left after its end."""
    adopt_orphans()
    before = descendants()
    load = {"tasks": options.tasks, "seconds": options.seconds, "followers": options.followers}
    parts = {"replicas": options.replicas, "workers": options.workers, "clustered": options.cluster}
    with stack(folder, **parts) as system:
        record, problems = asyncio.run(weather(system, seed=options.seed, wipes=options.wipes, **load))
        record.stuck = system.end()
        problems += [f"{name} had to be killed at the end" for name in record.stuck]
        problems += asyncio.run(check_connections(system))
    return record, problems + check_processes(descendants, before)


def _tell(record: Record, problems: Sequence[str]) -> None:
    sys.stdout.writelines(f"  {fault}\n" for fault in record.faults)
    sys.stdout.writelines(f"  note: {note}\n" for note in record.notes)
    updates = sum(len(transcript.updates) for transcript in record.transcripts)
    cancelled = sum(asked.cancelled_at is not None for asked in record.accepted.values())
    sys.stdout.write(
        f"{len(record.accepted)} tasks, {cancelled} cancelled, {len(record.transcripts)} followers, "
        f"{updates} updates seen, {len(record.faults)} faults, {len(problems)} problems\n"
    )
    sys.stdout.writelines(f"PROBLEM {problem}\n" for problem in problems)


if __name__ == "__main__":
    sys.exit(main())
