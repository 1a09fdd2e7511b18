"""What a task must have come to, found without the system: from its kind and parameters alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from tests.chaos.record import Submitted
from workloads.document_analysis import document_analysis
from workloads.updates import Chunk

_GUARD_DIGITS: Final = 10


def check_outcome(asked: Submitted, state: str, error: Any, result: Any, chunks: Sequence[Any]) -> list[str]:
    """`chunks` are the data of those of the last attempt, in order; error and result as the row has them."""
    fails = fails_on_purpose(asked)
    match state:
        case "succeeded" if fails:
            return ["it has succeeded, and was to fail"]
        case "succeeded":
            return _CHECKS[asked.kind](asked.params, result, chunks)
        case "failed":
            kind = (error or {}).get("type")
            if kind != "WorkerLost" and not (fails and kind == "IntendedFailure"):
                return [f"it has failed with {error}"]
    return []


def fails_on_purpose(asked: Submitted) -> bool:
    fail_at = asked.params.get("fail_at")
    return fail_at is not None and fail_at <= asked.params["updates"]


@lru_cache
def pi(digits: int) -> str:
    """The first digits of π without the point, by Machin's formula: π = 16 arctan(1/5) - 4 arctan(1/239)."""
    one = 10 ** (digits - 1 + _GUARD_DIGITS)
    return str(16 * _arctan_of_inverse(5, one) - 4 * _arctan_of_inverse(239, one))[:digits]


def _arctan_of_inverse(x: int, one: int) -> int:
    power = total = one // x
    divisor = 1
    while power:
        power //= -x * x
        divisor += 2
        total += power // divisor
    return total


def _check_pi(params: Mapping[str, Any], result: Any, chunks: Sequence[Any]) -> list[str]:
    expected = pi(params["digits"])
    problems = []
    if list(chunks) != list(expected):
        problems.append(f"its {len(chunks)} chunks are not the {len(expected)} digits of pi")
    written = f"{expected[0]}.{expected[1:]}" if expected[1:] else expected
    if result != {"digits": len(expected), "pi": written}:
        problems.append(f"its result is wrong: {result}")
    return problems


def _check_synthetic(params: Mapping[str, Any], result: Any, chunks: Sequence[Any]) -> list[str]:
    updates, size = params["updates"], params.get("size", 32)
    problems = []
    if len(chunks) != updates:
        problems.append(f"it has {len(chunks)} chunks of {updates}")
    for number, chunk in enumerate(chunks):
        if len(chunk) != size or not chunk.startswith(f"{number:06d}"[:size]):
            problems.append(f"chunk {number} is {chunk[:20]!r}, of {len(chunk)} characters")
            break
    if result != {"updates": updates, "bytes": updates * size}:
        problems.append(f"its result is wrong: {result}")
    return problems


def _check_document(params: Mapping[str, Any], result: Any, chunks: Sequence[Any]) -> list[str]:
    expected_chunks, expected = _analysed(json.dumps({**params, "pace_ms": [0, 0]}))
    problems = []
    if list(chunks) != expected_chunks:
        problems.append(f"its {len(chunks)} chunks are not the {len(expected_chunks)} matches")
    if result != expected:
        problems.append(f"its result is wrong: {result}")
    return problems


@lru_cache
def _analysed(params: str) -> tuple[list[Any], Any]:
    run = document_analysis.run(document_analysis.params.model_validate_json(params))
    chunks: list[Any] = []
    while True:
        try:
            update = next(run)
        except StopIteration as stop:
            return chunks, stop.value
        if isinstance(update, Chunk):
            chunks.append(update.data)


_CHECKS: Final[Mapping[str, Callable[[Mapping[str, Any], Any, Sequence[Any]], list[str]]]] = {
    "compute_pi": _check_pi,
    "synthetic": _check_synthetic,
    "document_analysis": _check_document,
}
