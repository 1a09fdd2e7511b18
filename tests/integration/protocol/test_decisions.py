"""The tables of docs/protocol.md §4 and §5.2, row by row, against the pure twin and against the scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID, uuid4

import pytest
from redis import Redis

from protocol import calls, head
from protocol.calls import Body, Call, LogLimits
from protocol.events import State, encode_body, status_data
from protocol.head import HEAD_FIELDS, Head, parse_head
from protocol.keys import TaskKeys
from protocol.log import Log
from protocol.nodes import Nodes
from worker.connections import connect

LEASE_MS: Final = 60_000
CASES: Final = json.loads((Path(__file__).parents[2] / "cases" / "append_decisions.json").read_text("utf-8"))
TABLES: Final = [name for name, table in CASES.items() if isinstance(table, dict) and "cases" in table]


def body(state: State | None) -> Body:
    """An event that puts the task in `state`."""
    if state is None:
        return Body(encode_body(2, 1.5, "chunk", {"index": 0, "data": "x"}), "chunk")
    return Body(encode_body(2, 1.5, "status", status_data(state)), "status", state)


class Implementation(Protocol):
    def now(self) -> int: ...
    def run(self, table: str, before: Head | None, call: Mapping[str, Any]) -> tuple[Any, Head | None]: ...


class Twin:
    """protocol/head.py."""

    def now(self) -> int:
        return 1_700_000_000_000

    def run(self, table: str, before: Head | None, call: Mapping[str, Any]) -> tuple[Any, Head | None]:
        match table.split()[1]:
            case "create":
                after = head.create(before, **call)
                return {"epoch": after.epoch}, after
            case "claim":
                return head.claim(before, now=self.now(), **call)
            case "renew":
                return head.renew(before, now=self.now(), **call)
            case "cancel":
                return head.cancel(before, now=self.now())
            case _:
                return head.append(before, now=self.now(), **call)


class Scripts:
    """The scripts on a real server; `redis` is a client of the one that has the task's keys."""

    def __init__(self, task: UUID, redis: Redis, nodes: Nodes) -> None:
        self._redis = redis
        self._nodes = nodes
        self._task = task
        self._keys = TaskKeys.of(self._task)

    def now(self) -> int:
        seconds, micros = self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def run(self, table: str, before: Head | None, call: Mapping[str, Any]) -> tuple[Any, Head | None]:
        if before is not None:
            fields: dict[Any, Any] = {"bytes": 0}
            for name in HEAD_FIELDS[:-1]:  # all but the status event
                value = getattr(before, name)
                fields[name] = int(value) if isinstance(value, bool) else value
            self._redis.hset(self._keys.head, mapping=fields)
        match table.split()[1]:
            case "create":
                answer: Any = {"epoch": self._answer(calls.create(self._keys, **call))}
            case "claim":
                answer = self._answer(calls.claim(self._keys, **call))
            case "renew":
                answer = self._answer(calls.renew(self._keys, **call))
            case "cancel":
                answer = self._answer(calls.cancel(self._keys))
            case _:
                answer = self._append(before, **call)
        values: Any = self._redis.hmget(self._keys.head, HEAD_FIELDS)
        return answer, parse_head(values)

    def _append(self, before: Head | None, *, count: int, state: State | None, **call: Any) -> Any:
        bodies = [*[body(None)] * (count - 1), body(state)]
        answer = self._answer(calls.append(self._task, self._keys, bodies, limits=LogLimits(), **call))
        assert answer.cancel == (before is not None and before.cancel), "every reply but unknown tells of a cancel"
        return answer.decision

    def _answer(self, call: Call[Any]) -> Any:
        (answer,) = Log(self._nodes, partitions=16).exchange([call])
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(params=["twin", "redis_url", "cluster_url"])
def implementation(request: pytest.FixtureRequest) -> Iterator[Implementation]:
    if request.param == "twin":
        yield Twin()
        return
    task = uuid4()
    url = request.getfixturevalue(request.param)
    with closing(connect(url, "tests")) as nodes, nodes.at(TaskKeys.of(task).head) as redis:
        yield Scripts(task, redis, nodes)


def head_of(case: Mapping[str, Any], now: int) -> Head | None:
    if case["head"] is None:
        return None
    fields = {**CASES["head"], **case["head"]}
    lease = {"none": 0, "fresh": now + LEASE_MS, "ran out": now - 1}[fields.pop("lease")]
    return Head(**{**fields, "state": State(fields["state"])}, lease=lease)


def call_of(table: str, case: Mapping[str, Any]) -> dict[str, Any]:
    call = {**CASES[table]["call"], **case.get("call", {})}
    if "lease" in call:
        call["lease_ms"] = LEASE_MS if call.pop("lease") == "fresh" else 0
    if call.get("state") is not None:
        call["state"] = State(call["state"])
    return call


def plain(answer: Any) -> dict[str, Any]:
    """What an answer tells; a false, a zero and an empty text tell nothing."""
    values = asdict(answer) if is_dataclass(answer) and not isinstance(answer, type) else answer
    return {name: value for name, value in values.items() if value}


def shown(state: Head | None, now: int) -> dict[str, Any]:
    """A head as the cases write it."""
    if state is None:
        return {}
    lease = "none" if state.lease == 0 else "fresh" if state.lease > now else "ran out"
    return {**asdict(replace(state, status=None)), "lease": lease}


@pytest.mark.parametrize(
    ("table", "case"),
    [
        pytest.param(table, case, id=f"§{table} row {case['row']}: {case['why']}")
        for table in TABLES
        for case in CASES[table]["cases"]
    ],
)
def test_a_call_is_decided_as_its_row_says(implementation: Implementation, table: str, case: dict[str, Any]) -> None:
    now = implementation.now()
    before = head_of(case, now)

    answer, after = implementation.run(table, before, call_of(table, case))

    told, expected = plain(answer), plain(case["answer"])
    for name, value in expected.items():
        if value == "ms left":
            assert 0 < told[name] <= LEASE_MS
            expected[name] = told[name]
    assert told == expected
    if case.get("after", {}) is None:
        assert after is None
    elif before is None and "after" in case:
        assert shown(after, now).items() >= case["after"].items()
    else:
        assert shown(after, now) == {**shown(before, now), **case.get("after", {})}
