"""Kinds that end in every way there is. Worker processes load this module too (WORKLOADS)."""

from __future__ import annotations

import threading
from itertools import count
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from workloads.registry import Registry, workload
from workloads.updates import Chunk, Pause, Progress, Run

STUCK: Final = threading.Event()
"""Frees the kind that sticks."""


class Number(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = Field(default=3, ge=0)


@workload("counts", params=Number)
def counts(params: Number) -> Run:
    for number in range(params.number):
        yield Chunk(number)
        yield Progress(number + 1, params.number)
    return {"counted": params.number}


@workload("fails", params=Number, max_attempts=3, backoff_s=0.1)
def fails(params: Number) -> Run:
    yield Chunk(params.number)
    raise LookupError("no luck today")


@workload("mumbles", params=Number, max_attempts=1)
def mumbles(_: Number) -> Run:
    yield Progress(0)
    raise ValueError("\ud800" + "x" * 10_000)


@workload("waits", params=Number)
def waits(_: Number) -> Run:
    yield Pause(3600)
    return None


@workload("streams", params=Number)
def streams(_: Number) -> Run:
    for number in count():
        yield Chunk(number)
        yield Pause(0.01)
    return None


@workload("dawdles", params=Number, max_attempts=2, time_limit_s=0.1)
def dawdles(_: Number) -> Run:
    yield Pause(3600)
    return None


@workload("refused", params=Number)
def refused(_: Number) -> Run:
    yield Chunk("good")
    yield Chunk(float("nan"))
    return None


@workload("bloats", params=Number)
def bloats(_: Number) -> Run:
    yield Chunk("good")
    return "x" * 1_000_000


@workload("speaks", params=Number)
def speaks(_: Number) -> Run:
    yield "hello"  # type: ignore[misc] # what a third party may do
    return None


@workload("resists", params=Number)
def resists(_: Number) -> Run:
    try:
        yield Pause(3600)
    finally:
        raise RuntimeError("not yet")
    return None


@workload("sticks", params=Number, time_limit_s=2)
def sticks(_: Number) -> Run:
    yield Progress(0)
    STUCK.wait(60)  # without looking up
    yield Progress(1)
    return None


KINDS: Final = Registry([counts, fails, mumbles, waits, streams, dawdles, refused, bloats, speaks, resists, sticks])
