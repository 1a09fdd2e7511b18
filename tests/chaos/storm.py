"""A seeded storm: tasks and followers under load while processes are killed, stopped and restarted at random.

    python -m tests.chaos.storm --seed 7 --tasks 200 --seconds 120

What is done, in which order and with which tasks follows from the seed. When, in the life of a task, it strikes does
not: that is up to the machine. The checker (`tests/chaos/checker.py`) needs no knowledge of what was done.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from client.errors import ClientError, Refused
from client.follow import Backoff, Follower, Update
from client.tasks import Tasks
from tests.chaos.checker import check
from tests.chaos.stack import Stack, stack

_SUBMIT_PATIENCE_S: Final = 60.0
_FOLLOW_PATIENCE_S: Final = 90.0
_SETTLE_S: Final = 120.0
"""From the end of the storm until every task must have ended: leases run out, attempts are repeated."""


@dataclass(slots=True)
class Transcript:
    """What one follower has seen, and how it ended (empty: with the terminal event)."""

    task: str
    updates: list[Update] = field(default_factory=list)
    problem: str = ""


@dataclass(slots=True)
class Record:
    """Everything a storm has seen."""

    accepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    transcripts: list[Transcript] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


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

    def __init__(self, system: Stack, *, seed: int, tasks: int, seconds: float, followers: int) -> None:
        self._system = system
        self._dice = random.Random(f"storm {seed}")
        self._tasks = tasks
        self._seconds = seconds
        self._followers = followers
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
            group.create_task(self._one(number, kind, params, dice.random()))
            await asyncio.sleep(dice.expovariate(self._tasks / self._seconds))

    async def _one(self, number: int, kind: str, params: dict[str, Any], chance: float) -> None:
        """Submit a task, follow it with some, cancel a few."""
        task = await self._submit(number, kind, params)
        self.record.accepted[task] = {"kind": kind, "params": params}
        async with asyncio.TaskGroup() as group:
            for follower in range(1 + int(chance * 10) % self._followers):
                group.create_task(self._follow(task, follower))
            if chance < 0.08:
                group.create_task(self._cancel(task, chance * 20))

    async def _submit(self, number: int, kind: str, params: dict[str, Any]) -> str:
        """Until it is accepted: a client that gets no answer asks again under the same key."""
        deadline = time.monotonic() + _SUBMIT_PATIENCE_S
        attempt = number
        while True:
            attempt += 1
            try:
                async with Tasks(self._url(attempt)) as tasks:
                    submitted = await tasks.submit(kind, params, idempotency_key=f"storm-{number}")
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
        await asyncio.sleep(after_s)
        try:
            async with Tasks(self._url(len(task))) as tasks:
                await tasks.cancel(task)
                self.record.cancelled.add(task)
        except (httpx.TransportError, Refused) as error:
            self.record.faults.append(f"cancel of {task} refused: {error}")

    def _url(self, number: int) -> str:
        return self._system.urls[number % len(self._system.urls)]

    async def _faults(self) -> None:
        """One fault after the other, with pauses, for the time of the storm."""
        dice = random.Random(self._dice.random())
        end = time.monotonic() + self._seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, dice.uniform(0.5, 4.0)))
            name, strike = self._pick_fault(dice)
            self.record.faults.append(name)
            await asyncio.to_thread(strike)

    def _pick_fault(self, dice: random.Random) -> tuple[str, Callable[[], None]]:
        system = self._system
        worker, api = dice.choice(system.workers), dice.choice(system.apis)
        pause_s, away_s = dice.uniform(0.2, 14), dice.uniform(0.1, 6)

        def restart(end: Callable[[], Any], start: Callable[[], None], wait_s: float) -> Callable[[], None]:
            def strike() -> None:
                end()
                time.sleep(wait_s)
                start()

            return strike

        faults: list[tuple[int, str, Callable[[], None]]] = [
            (4, f"kill {worker.name}", restart(worker.kill, worker.start, away_s / 3)),
            (2, f"stop {worker.name} {pause_s:.1f} s", restart(worker.pause, worker.resume, pause_s)),
            (2, f"end {worker.name}", restart(worker.end, worker.start, 0)),
            (4, f"kill {api.name}", restart(api.kill, api.start, away_s / 3)),
            (2, f"stop {api.name} {away_s:.1f} s", restart(api.pause, api.resume, away_s)),
            (2, f"end {api.name}", restart(api.end, api.start, 0)),
            (2, f"kill valkey {away_s:.1f} s", restart(system.valkey.kill, system.valkey.start, away_s)),
            (1, f"stop valkey {away_s:.1f} s", restart(system.valkey.pause, system.valkey.resume, away_s)),
            (2, f"kill postgres {away_s:.1f} s", restart(system.postgres.kill, system.postgres.start, away_s)),
            (1, f"stop postgres {away_s:.1f} s", restart(system.postgres.pause, system.postgres.resume, away_s)),
        ]
        _, name, strike = dice.choices(faults, weights=[weight for weight, _, _ in faults])[0]
        return name, strike


async def weather(system: Stack, *, seed: int, tasks: int, seconds: float, followers: int) -> tuple[Record, list[str]]:
    """A storm and its check; returns what was seen and what is wrong (nothing, one hopes)."""
    storm = Storm(system, seed=seed, tasks=tasks, seconds=seconds, followers=followers)
    record = await storm.run()
    problems = await check(system, record, settle_s=_SETTLE_S)
    return record, problems


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--followers", type=int, default=4)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep data and logs in this folder")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    sys.stdout.write(f"storm with --seed {seed}: {options.tasks} tasks in {options.seconds:g} s\n")
    with tempfile.TemporaryDirectory(prefix="storm-") as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with stack(folder, replicas=options.replicas, workers=options.workers) as system:
            load = {"tasks": options.tasks, "seconds": options.seconds, "followers": options.followers}
            record, problems = asyncio.run(weather(system, seed=seed, **load))
            record.stuck = system.end()
    problems += [f"{name} had to be killed at the end" for name in record.stuck]
    sys.stdout.writelines(f"  {fault}\n" for fault in record.faults)
    updates = sum(len(transcript.updates) for transcript in record.transcripts)
    sys.stdout.write(
        f"{len(record.accepted)} tasks, {len(record.transcripts)} followers, {updates} updates seen, "
        f"{len(record.faults)} faults, {len(problems)} problems\n"
    )
    sys.stdout.writelines(f"PROBLEM {problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
