"""Guarantee 2 for one follower: everything, once, in order, or told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from client.follow import Gap, Restarted
from protocol.events import Event, parse_event
from tests.chaos.histories import encoded
from tests.chaos.record import Transcript


def check_transcript(transcript: Transcript, archive: Sequence[Any], *, may_restart: bool) -> list[str]:
    """Every problem; `may_restart`: Redis may have lost data, so that streams begin anew."""
    task = transcript.task
    if transcript.problem:
        return [f"a follower of {task} ended with {transcript.problem}"]
    problems, seen = _read(transcript)
    if not may_restart and any(isinstance(update, Restarted) for update in transcript.updates):
        problems.append("its stream began anew, and nothing was lost")
    expected = {event["seq"]: parse_event(encoded(task, event)) for event in archive}
    if seen.keys() != expected.keys():
        problems.append(f"a follower saw {len(seen)} events of {len(expected)}")
    other = [seq for seq, event in seen.items() if seq in expected and event != expected[seq]]
    if other:
        problems.append(f"a follower saw other events than the archive holds, the first is {other[0]}")
    last = transcript.updates[-1] if transcript.updates else None
    if not (isinstance(last, Event) and last.is_terminal):
        problems.append("a follower was let go before the end")
    return [f"{task}: {problem}" for problem in problems]


def _read(transcript: Transcript) -> tuple[list[str], dict[int, Event]]:
    """What was wrong with the order, and the events since the stream last began anew."""
    problems: list[str] = []
    position = 0
    seen: dict[int, Event] = {}
    for update in transcript.updates:
        match update:
            case Restarted():
                position, seen = 0, {}
            case Gap(after, before):
                problems.append(f"a gap from {after} to {before}")
                position = before - 1
            case Event():
                if update.seq != position + 1:
                    problems.append(f"event {update.seq} after {position}")
                position = update.seq
                seen[update.seq] = update
    return problems, seen
