"""What one client received of a task, and whether that is what it should be."""

from __future__ import annotations

import hashlib
import json
from array import array
from dataclasses import dataclass, field
from typing import Any, Final

from protocol.events import Event

_MOST_FAULTS: Final = 20
"""Of each client; whoever sees so many needs no more of them."""


@dataclass(slots=True)
class Traffic:
    """What it cost. `messages` are frames or answers, of which `empty` brought nothing new.

    `bytes` is what they weigh, headers included (bench.wire); `socket_bytes` what the kernel counted on the connections
    of the client, None where it does not tell.
    """

    messages: int = 0
    empty: int = 0
    bytes: int = 0
    socket_bytes: int | None = None
    connections: int = 0

    def add_connection(self, received: int | None) -> None:
        """A connection is over on which the kernel has counted so many bytes."""
        self.connections += 1
        if received is not None:
            self.socket_bytes = (self.socket_bytes or 0) + received


@dataclass(frozen=True, slots=True)
class Transcript:
    """A client's account of a task. `ages` are in ms, of chunks and results, in the order in which they came.

    `digest` is the SHA-256 of the chunks of the newest attempt, in order: clients whose digests are equal have received
    the same. `faults` are sentences; there are none when every event came once and in order, up to the end.
    """

    ages: array[float]
    traffic: Traffic
    chunks: int
    digest: str
    result: Any
    gaps: int
    attempts: int
    faults: tuple[str, ...]


@dataclass(slots=True)
class History:
    """Takes the events of one task as a client receives them.

    `contiguous`: no number may be missing. Otherwise it may, as superseded progress does, but no chunk and no end.
    """

    contiguous: bool
    traffic: Traffic = field(default_factory=Traffic)
    position: int = 0
    ended: bool = False
    _ages: array[float] = field(default_factory=lambda: array("d"))
    _attempt: int = 0
    _chunks: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)
    _result: Any = None
    _gaps: int = 0
    _faults: list[str] = field(default_factory=list)

    def take(self, event: Event, received_ms: float) -> None:
        """The next event, which arrived then, by the clock of whoever gave it its `ts`."""
        self._check(event)
        self.position = max(self.position, event.seq)
        if event.attempt > self._attempt:
            self._begin(event.attempt)
        if event.type != "status":
            self._ages.append(received_ms - event.ts)
        if event.type == "chunk":
            self._take_chunk(event)
        elif event.is_terminal:
            self._end(event)

    def restart(self) -> None:
        """Everything comes again, from the first event: the server said so."""
        self.position, self._attempt = 0, 0
        self._begin(0)

    def note_gap(self, after: int, before: int) -> None:
        """The server said that these events cannot be delivered."""
        self._gaps += 1
        self.position = before - 1
        self.fault(f"the events {after + 1} to {before - 1} are lost")

    def fault(self, sentence: str) -> None:
        """Something is not as it should be."""
        if len(self._faults) < _MOST_FAULTS:
            self._faults.append(sentence)

    def transcript(self) -> Transcript:
        """The account, once the client is done."""
        if not self.ended:
            self.fault(f"the end did not come after event {self.position}")
        return Transcript(
            ages=self._ages,
            traffic=self.traffic,
            chunks=self._chunks,
            digest=self._digest.hexdigest(),
            result=self._result,
            gaps=self._gaps,
            attempts=self._attempt,
            faults=tuple(self._faults),
        )

    def _check(self, event: Event) -> None:
        if self.ended:
            self.fault(f"event {event.seq} came after the end")
        elif event.seq <= self.position:
            self.fault(f"event {event.seq} came after event {self.position}")
        elif self.contiguous and event.seq != self.position + 1:
            self.fault(f"event {event.seq} came after event {self.position}: some are missing")

    def _begin(self, attempt: int) -> None:
        """Chunks of older attempts do not count any more (docs/protocol.md §3.1)."""
        self._attempt, self._chunks, self._digest = attempt, 0, hashlib.sha256()

    def _take_chunk(self, event: Event) -> None:
        if event.attempt < self._attempt:
            self.fault(f"event {event.seq} is a chunk of attempt {event.attempt}, after one of {self._attempt}")
            return
        if event.data["index"] != self._chunks:
            self.fault(f"event {event.seq} is chunk {event.data['index']} instead of {self._chunks}")
        self._chunks += 1
        self._digest.update(json.dumps(event.data["data"], sort_keys=True).encode() + b"\n")

    def _end(self, event: Event) -> None:
        self.ended = True
        if event.type == "result":
            self._result = event.data["result"]
        else:
            self.fault(f"the task has not succeeded: {event.data.get('error') or event.data['state']}")


def differences(transcripts: dict[str, Transcript]) -> list[str]:
    """Sentences about what is wrong with any of the clients, by name, and in what they differ from the first."""
    found = [f"{name}: {fault}" for name, transcript in transcripts.items() for fault in transcript.faults]
    names = list(transcripts)
    for name in names[1:]:
        first, other = transcripts[names[0]], transcripts[name]
        if (first.chunks, first.digest) != (other.chunks, other.digest):
            found.append(f"{name}: other chunks ({other.chunks}) than {names[0]} ({first.chunks})")
        if first.result != other.result:
            found.append(f"{name}: another result than {names[0]}")
    return found
