"""Kinds that end in every way there is. Both processes load this module too (WORKLOADS)."""

from __future__ import annotations

import time
from itertools import count

from pydantic import BaseModel, ConfigDict, Field

from workloads.registry import workload
from workloads.updates import Chunk, Pause, Progress, Run


class Number(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = Field(default=3, ge=0)


@workload("fails", params=Number, max_attempts=3, backoff_s=0.1)
def fails(params: Number) -> Run:
    yield Chunk(params.number)
    raise LookupError("no luck today")


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


@workload("hangs", params=Number)
def hangs(_: Number) -> Run:
    yield Chunk("before")
    time.sleep(3600)
    return None


@workload("dawdles", params=Number, max_attempts=2, backoff_s=0.05, time_limit_s=0.1)
def dawdles(_: Number) -> Run:
    yield Pause(3600)
    return None


@workload("refused", params=Number)
def refused(_: Number) -> Run:
    yield Chunk("good")
    yield Chunk(float("nan"))
    return None


@workload("speaks", params=Number)
def speaks(_: Number) -> Run:
    yield "hello"  # type: ignore[misc] # what a third party may do
    return None


@workload("resists", params=Number)
def resists(_: Number) -> Run:
    try:
        yield Progress(0)
        yield Pause(3600)
    finally:
        raise RuntimeError("not yet")
    return None
