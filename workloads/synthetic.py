"""Updates of a given number, rate and size, to load the system with and to try it out."""

from __future__ import annotations

import string
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from workloads.pace import LONGEST_ATTEMPT_S
from workloads.registry import workload
from workloads.updates import Chunk, Pause, Progress, Run

MAX_UPDATES: Final = 1_000_000
MAX_SIZE: Final = 65_536
MAX_TOTAL_BYTES: Final = 256 * 2**20
NUMBER_WIDTH: Final = 6
"""Numbers start at 0, so the highest of a million has six digits."""

_FILLER: Final = (string.ascii_letters + string.digits) * (MAX_SIZE // 62 + 1)


class IntendedFailure(Exception):
    """What `fail_at` asked for."""

    def __init__(self, updates: int) -> None:
        super().__init__(f"failed on purpose after {updates} updates")


class Synthetic(BaseModel):
    """How many updates, how fast, how large, and whether to fail."""

    model_config = ConfigDict(title="Synthetic load", frozen=True, extra="forbid")

    updates: Annotated[int, Field(strict=True, ge=0, le=MAX_UPDATES)] = Field(
        default=100, title="Updates", description="How many updates, each of them a chunk.", examples=[100, 10_000]
    )
    rate: Annotated[float, Field(strict=True, ge=0, le=100_000, allow_inf_nan=False)] = Field(
        default=10.0,
        title="Rate (1/s)",
        description="Updates a second on average; 0 is as fast as it goes. Above about a thousand a second the pauses "
        "are shorter than a clock can keep: ask for a burst as well.",
        examples=[10, 1000],
    )
    burst: Annotated[int, Field(strict=True, ge=1, le=MAX_UPDATES)] = Field(
        default=1,
        title="Burst",
        description="So many updates at once, then one pause that is as much longer. The average rate stays.",
        examples=[1, 50],
    )
    size: Annotated[int, Field(strict=True, ge=0, le=MAX_SIZE)] = Field(
        default=32,
        title="Size (bytes)",
        description="The length of a chunk's data. Updates times size may be 256 MiB at most.",
        examples=[32, 1024],
    )
    progress: Annotated[bool, Field(strict=True)] = Field(
        default=True, title="Progress", description="Whether each update reports progress too."
    )
    delay_s: Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)] = Field(
        default=0.0, title="Delay (s)", description="Seconds to wait before the first update.", examples=[0, 5]
    )
    fail_at: Annotated[int, Field(strict=True, ge=0, le=MAX_UPDATES)] | None = Field(
        default=None,
        title="Fail after",
        description="Raise an error once so many updates have been made, in every attempt, so that retries and the "
        "final failure can be seen. Null, or more than there are updates: do not fail.",
        examples=[None, 50],
    )

    @field_validator("size")
    @classmethod
    def _total_is_bounded(cls, size: int, info: ValidationInfo) -> int:
        total = size * int(info.data.get("updates", 0))  # absent when `updates` is invalid itself
        if total > MAX_TOTAL_BYTES:
            raise PydanticCustomError(
                "total_too_large",
                "Updates times size is {total} bytes, more than the {limit} allowed",
                {"total": total, "limit": MAX_TOTAL_BYTES},
            )
        return size


@workload("synthetic", params=Synthetic, time_limit_s=LONGEST_ATTEMPT_S)
def synthetic(params: Synthetic) -> Run:
    """Emits a given number of updates at a given rate, burst and size.

    A chunk is a string of `size` characters that tells its number (see `chunk_data`), so that a loss or a change of
    order shows. Raises IntendedFailure once `fail_at` updates have been made.
    """
    if params.delay_s > 0:
        yield Pause(params.delay_s)
    for number in range(params.updates):
        if number == params.fail_at:
            raise IntendedFailure(number)
        if number > 0 and number % params.burst == 0 and params.rate > 0:
            # Capped, because a tiny rate makes a pause longer than any timer can take.
            yield Pause(min(params.burst / params.rate, LONGEST_ATTEMPT_S))
        yield Chunk(chunk_data(number, params.size))
        if params.progress:
            yield Progress(number + 1, params.updates)
    if params.updates == params.fail_at:
        raise IntendedFailure(params.updates)
    return {"updates": params.updates, "bytes": params.updates * params.size}


def chunk_data(number: int, size: int) -> str:
    """`size` ASCII characters: the number in six digits, from 0, then filler. Less than six: its last digits."""
    digits = f"{number:0{NUMBER_WIDTH}d}"
    return digits[NUMBER_WIDTH - size :] if size < NUMBER_WIDTH else digits + _FILLER[: size - NUMBER_WIDTH]
