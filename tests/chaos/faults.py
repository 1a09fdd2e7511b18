"""What a storm does to a stack."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from local.server import Server
from tests.chaos.stack import Part, Stack

_PAIR_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Fault:
    """`strike` hurts `target` and mends it again; it returns a note, which is mostly empty."""

    weight: int
    target: str
    name: str
    strike: Callable[[], str]
    may_lose_data: bool = False


def pick_faults(system: Stack, dice: random.Random, *, wipes: bool) -> list[Fault]:
    """One fault, or now and then two, of different targets, for the same time."""
    first = _pick(system, dice, wipes=wipes)
    if dice.random() >= _PAIR_SHARE:
        return [first]
    second = first
    while second.target == first.target:
        second = _pick(system, dice, wipes=wipes)
    return [first, second]


def _pick(system: Stack, dice: random.Random, *, wipes: bool) -> Fault:
    worker, api = dice.choice(system.workers), dice.choice(system.apis)
    pause_s, away_s = dice.uniform(0.2, 14), dice.uniform(0.1, 6)
    faults = [
        *_on_part(worker, away_s=away_s / 3, pause_s=pause_s),
        *_on_part(api, away_s=away_s / 3, pause_s=away_s),
        *_on_server("valkey", system.valkey, away_s=away_s, may_lose_data=True),
        *_on_server("postgres", system.postgres, away_s=away_s, may_lose_data=False),
    ]
    if system.cluster is not None:
        number = dice.randrange(len(system.cluster.nodes))
        faults += _on_server(f"node-{number}", system.cluster.nodes[number], away_s=away_s, may_lose_data=True)
    if wipes:
        faults.append(Fault(3, "valkey", f"wipe valkey {away_s:.1f} s", _wiping(system.valkey, away_s), True))
    return dice.choices(faults, weights=[fault.weight for fault in faults])[0]


def _on_part(part: Part, *, away_s: float, pause_s: float) -> list[Fault]:
    name = part.name

    def end() -> str:
        stuck = part.running and part.end() is None
        part.start()
        return f"{name} had to be killed when it was asked to end" if stuck else ""

    return [
        Fault(4, name, f"kill {name}", _apart(part.kill, part.start, away_s)),
        Fault(2, name, f"stop {name} {pause_s:.1f} s", _apart(part.pause, part.resume, pause_s)),
        Fault(2, name, f"end {name}", end),
    ]


def _on_server(name: str, server: Server, *, away_s: float, may_lose_data: bool) -> list[Fault]:
    return [
        # what was not yet written to the append-only file is lost with a kill
        Fault(2, name, f"kill {name} {away_s:.1f} s", _apart(server.kill, server.start, away_s), may_lose_data),
        Fault(1, name, f"stop {name} {away_s:.1f} s", _apart(server.pause, server.resume, away_s)),
    ]


def _wiping(server: Server, away_s: float) -> Callable[[], str]:
    def wipe() -> None:
        server.kill()
        shutil.rmtree(server.directory / "appendonlydir")

    return _apart(wipe, server.start, away_s)


def _apart(hurt: Callable[[], None], mend: Callable[[], None], wait_s: float) -> Callable[[], str]:
    def strike() -> str:
        hurt()
        time.sleep(wait_s)
        mend()
        return ""

    return strike
