"""One attempt at a task: claim it, run its workload, emit what that yields, end it with one last event.

Whatever happens here has an end that the protocol knows: a result, `cancelled`, `failed`, `queued` for the next attempt
(a failure with attempts left, or a worker that shuts down), or silence, when the attempt was lost to another worker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError

from protocol.events import State
from protocol.head import Claim, ClaimOutcome
from protocol.log import Log, Owned
from worker.emitter import Emitter
from worker.errors import AttemptLost, Cancelled, HandedBack, InvalidParams, TimeLimitReached, UpdateRefused
from worker.flusher import Flusher
from worker.flushers import Flushers
from workloads.registry import Kind
from workloads.updates import Chunk, Pause, Progress, Run

log = structlog.get_logger(__name__)

MAX_MESSAGE: Final = 500
_MOST_BEHIND_S: Final = 1.0
"""A task that fell further behind its pace than this does not catch up in a burst."""


class Ending(Enum):
    """What is to become of the message that started the attempt."""

    DONE = "done"
    RETRY = "retry"
    HAND_BACK = "hand back"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, and when the next one may start."""

    ending: Ending
    retry_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs attempts. `drain` is set when the worker is to give its tasks back."""

    log: Log
    flushers: Flusher | Flushers
    kinds: Mapping[str, Kind]
    lease_ms: int
    drain: threading.Event

    def run(self, task: UUID, kind: str, params: Mapping[str, Any]) -> Outcome:
        """Claim `task` and see it through. Raises redis.RedisError when it could not even be claimed."""
        bound = log.bind(task=str(task), kind=kind)
        claim = self.log.claim(task, lease_ms=self.lease_ms)
        if claim.outcome is not ClaimOutcome.CLAIMED:
            bound.info("Task not claimed", action="not_claimed", outcome=claim.outcome.value)
            return Outcome(Ending.DONE)
        bound.info("Attempt started", action="attempt_started", attempt=claim.attempt)
        try:
            outcome = self._see_through(Owned(task, claim.epoch, claim.attempt), claim, kind, params)
        except AttemptLost as error:
            bound.warning("Attempt lost", action="attempt_lost", attempt=claim.attempt, reason=str(error))
            return Outcome(Ending.DONE)
        bound.info("Attempt ended", action="attempt_ended", attempt=claim.attempt, ending=outcome.ending.value)
        return outcome

    def _see_through(self, owned: Owned, claim: Claim, kind: str, params: Mapping[str, Any]) -> Outcome:
        emitter = self.flushers.open(owned, claim.n)
        try:
            outcome = self._attempt(emitter, kind, params, claim.failures)
            emitter.wait_flushed()
            return outcome
        finally:
            self.flushers.close(emitter)

    def _attempt(self, emitter: Emitter, name: str, params: Mapping[str, Any], failures: int) -> Outcome:
        kind = self.kinds.get(name)
        if kind is None:
            emitter.end(State.FAILED, error=_error("UnknownKind", f"no worker knows the kind {name!r}"))
            return Outcome(Ending.DONE)
        if failures >= kind.max_attempts:
            emitter.end(State.FAILED, error=_error("WorkerLost", f"the worker was lost in {failures} attempts"))
            return Outcome(Ending.DONE)
        emitter.status(State.RUNNING)
        try:
            emitter.result(self._result(emitter, kind, params))
        except AttemptLost:
            raise
        except Cancelled:
            emitter.end(State.CANCELLED)
        except HandedBack:
            emitter.end(State.QUEUED, "the worker is shutting down; another one will start the task again")
            return Outcome(Ending.HAND_BACK)
        except (InvalidParams, UpdateRefused) as error:
            emitter.end(State.FAILED, error=_describe(error))
        except Exception as error:  # whatever a workload raises ends its attempt, not the worker
            log.exception("Workload failed", action="workload_failed", task=str(emitter.owned.task), kind=name)
            return _failed(emitter, kind, error, failures + 1)
        return Outcome(Ending.DONE)

    def _result(self, emitter: Emitter, kind: Kind, params: Mapping[str, Any]) -> Any:
        run = kind.run(_validated(kind, params))
        deadline = time.monotonic() + kind.time_limit_s
        emitter.end_by = min(emitter.end_by, deadline)
        pace = Pace(emitter, self.drain, deadline)
        try:
            while True:
                match next(run):
                    case Pause(seconds):
                        pace.wait(seconds)
                    case Chunk(data):
                        emitter.chunk(data)
                    case Progress() as progress:
                        emitter.progress(progress.as_json())
                    case other:
                        raise UpdateRefused(f"a workload yields Chunk, Progress or Pause, not {type(other).__name__}")
                pace.check()
        except StopIteration as stop:
            return stop.value
        finally:
            _close(run)


def _validated(kind: Kind, params: Mapping[str, Any]) -> BaseModel:
    try:
        return kind.params.model_validate(params)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidParams(f"{'.'.join(map(str, ('params', *first['loc'])))}: {first['msg']}") from error


def _close(run: Run) -> None:
    """Let a workload clean up. What goes wrong with that does not change how the attempt ends."""
    try:
        run.close()
    except Exception:
        log.exception("Workload failed while it was closed", action="close_failed")


class Pace:
    """Waits for a workload: by a schedule, so that the time its own work takes does not add up."""

    def __init__(self, emitter: Emitter, drain: threading.Event, deadline: float) -> None:
        self._emitter = emitter
        self._drain = drain
        self._deadline = deadline
        self._due = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait until `seconds` after the last due time; less when the attempt is to end."""
        now = time.monotonic()
        self._due = max(self._due + seconds, now - _MOST_BEHIND_S)
        until = min(self._due, self._deadline)
        while (left := until - time.monotonic()) > 0 and not self._ending:
            self._emitter.interrupted.wait(min(left, 0.5))  # the drain is looked at twice a second

    def check(self) -> None:
        """Raise what is to end the attempt: AttemptLost, Cancelled, HandedBack, TimeLimitReached."""
        self._emitter.raise_if_lost()
        if self._emitter.cancelled:
            raise Cancelled
        if self._drain.is_set():
            raise HandedBack
        if time.monotonic() >= self._deadline:
            raise TimeLimitReached

    @property
    def _ending(self) -> bool:
        return self._emitter.interrupted.is_set() or self._drain.is_set()


def _failed(emitter: Emitter, kind: Kind, error: Exception, failures: int) -> Outcome:
    described = _describe(error, kind)
    if failures >= kind.max_attempts:
        emitter.end(State.FAILED, error=described, failure=True)
        return Outcome(Ending.DONE)
    retry_in_s = kind.retry_in_s(failures)
    message = (
        f"attempt {emitter.owned.attempt} failed ({described['message']}); the next one starts in {retry_in_s:g} s"
    )
    emitter.end(State.QUEUED, message, failure=True)
    return Outcome(Ending.RETRY, retry_in_s)


def _describe(error: Exception, kind: Kind | None = None) -> dict[str, Any]:
    """An error as clients see it: its type and message, never a traceback."""
    if isinstance(error, TimeLimitReached) and kind is not None:
        return _error("TimeLimitReached", f"the attempt took longer than {kind.time_limit_s:g} s")
    return _error(type(error).__name__, str(error))


def _error(kind: str, message: str) -> dict[str, Any]:
    clean = message.encode(errors="replace").decode()
    return {"type": kind, "message": clean if len(clean) <= MAX_MESSAGE else clean[: MAX_MESSAGE - 1] + "…"}
