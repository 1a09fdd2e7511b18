"""A migrated file, and tasks in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any, Final
from uuid import uuid4

from baseline import updates
from baseline.storage import claims, reading, tasks
from baseline.storage.appending import Batch, Ending, Owned, append
from baseline.storage.claims import Claimed, Room
from baseline.storage.database import writing
from baseline.storage.tasks import NewTask, TaskRow
from baseline.updates import State, Update

LEASE_MS: Final = 10_000.0
ALLOWED: Final = {"counts": 3}


class File:
    """Statements as the processes run them, each in its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def submit(self, kind: str = "counts", params: str = "{}") -> TaskRow:
        with writing(self.connection):
            return tasks.insert(self.connection, NewTask(str(uuid4()), kind, params), limit=100).row

    def claim(self, *, places: int = 1, own: Collection[int] = (), later_ms: float = 0) -> list[Claimed]:
        """Claim `places` tasks, as a worker that runs one kind would `later_ms` from now."""
        mine = dict.fromkeys(own, "counts")
        return self.claim_into(Room(ALLOWED, mine, slots=places + len(mine), spare=0), later_ms=later_ms)

    def claim_into(self, room: Room, *, later_ms: float = 0) -> list[Claimed]:
        now = updates.now_ms() + later_ms
        with writing(self.connection):
            return claims.claim(self.connection, room, now=now, lease=updates.now_ms() + LEASE_MS)

    def append(self, owned: Owned, *emitted: Update, ending: Ending | None = None) -> bool | None:
        with writing(self.connection):
            return append(self.connection, owned, Batch(emitted, ending), updates.now_ms() + LEASE_MS)

    def finish(self) -> TaskRow:
        """A task that has succeeded with two chunks."""
        row = self.submit()
        (claimed,) = self.claim()
        emitted = [updates.chunk(0, "a"), updates.chunk(1, "b"), updates.result("2")]
        assert self.append(claimed.owned, *emitted, ending=Ending(State.SUCCEEDED, result="2")) is False
        return self.row(row)

    def cancel(self, row: TaskRow) -> TaskRow:
        with writing(self.connection):
            found = tasks.cancel(self.connection, row.id)
        assert found is not None
        return found.row

    def row(self, row: TaskRow) -> TaskRow:
        """As it is now."""
        found = tasks.find(self.connection, row.id)
        assert found is not None
        return found

    def events(self, row: TaskRow, after: int = 0) -> list[dict[str, Any]]:
        """All that follow `after`, as a client has them after as many deltas as it takes."""
        events: list[dict[str, Any]] = []
        while True:
            delta = reading.delta(self.connection, row.id, after)
            assert delta is not None
            events += json.loads(b"[" + delta.events + b"]")
            if delta.last == delta.seq:
                return events
            after = delta.last

    def story(self, row: TaskRow) -> list[Any]:
        """What the updates tell, in short: states, and the data of chunks and results."""
        return [told(event) for event in self.events(row)]

    def rows(self, table: str) -> int:
        """How many rows the table has."""
        (count,) = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - ours
        return int(count)


def told(event: dict[str, Any]) -> Any:
    data = event["data"]
    return data["state"] if event["type"] == "status" else data.get("data", data.get("result"))
