"""One attempt at a task: run its workload, emit what that yields, end it with one last update.

Whatever happens here ends as on the event-driven side: with a result, `cancelled`, `failed`, `queued` for the next
attempt (a failure with attempts left, or a worker that shuts down), or silence, when the attempt was lost.
"""

from __future__ import annotations

import json
import time
from typing import Final

import structlog
from pydantic import BaseModel, ValidationError

from baseline import updates
from baseline.storage.appending import Ending
from baseline.storage.claims import Claimed
from baseline.updates import State, UpdateRefused
from baseline.worker.errors import AttemptLost, Cancelled, HandedBack, InvalidParams, TimeLimitReached
from baseline.worker.outbox import Outbox
from baseline.worker.pace import Pace
from workloads.registry import Kind
from workloads.updates import Chunk, Pause, Progress, Run

log = structlog.get_logger(__name__)

HAND_BACK: Final = "the worker is shutting down; another one will start the task again"


def run_attempt(outbox: Outbox, claimed: Claimed, kind: Kind) -> None:
    """See a claimed task through to the end of the attempt. Raises nothing."""
    bound = log.bind(task=claimed.id, kind=claimed.kind, attempt=claimed.owned.attempt)
    bound.info("Attempt started", action="attempt_started")
    try:
        _run(outbox, claimed, kind)
    except AttemptLost as error:
        bound.warning("Attempt lost", action="attempt_lost", reason=str(error))
    except Exception:  # a bug here ends the attempt, not the worker: the lease runs out, and the task is claimed again
        log.exception("Attempt failed", action="attempt_failed", task=claimed.id)
        outbox.lose("an unexpected error")
    else:
        bound.info("Attempt ended", action="attempt_ended")


def handed_back() -> tuple[updates.Update, Ending]:
    """How an attempt ends whose worker does."""
    update = updates.status(State.QUEUED, HAND_BACK)
    return update, Ending(State.QUEUED, lease=update.ts)


def _run(outbox: Outbox, claimed: Claimed, kind: Kind) -> None:
    try:
        result = updates.encode(_result(outbox, claimed, kind), "result")
    except AttemptLost:
        raise
    except Cancelled:
        outbox.end(updates.status(State.CANCELLED), Ending(State.CANCELLED))
    except HandedBack:
        outbox.end(*handed_back())
    except (InvalidParams, UpdateRefused) as error:
        _fail(outbox, _describe(error))
    except Exception as error:  # whatever a workload raises ends its attempt, not the worker
        log.exception("Workload failed", action="workload_failed", task=claimed.id, kind=kind.name)
        _failed(outbox, claimed, kind, error)
    else:
        outbox.end(updates.result(result), Ending(State.SUCCEEDED, result=result))


def _result(outbox: Outbox, claimed: Claimed, kind: Kind) -> object:
    run = kind.run(_validated(kind, claimed.params))
    pace = Pace(outbox, deadline=time.monotonic() + kind.time_limit_s)
    chunks = 0
    try:
        while True:
            match next(run):
                case Pause(seconds):
                    pace.wait(seconds)
                case Chunk(data):
                    outbox.emit(updates.chunk(chunks, data))
                    chunks += 1
                case Progress() as progress:
                    outbox.emit(updates.progress(progress.as_json()))
                case other:
                    raise UpdateRefused(f"a workload yields Chunk, Progress or Pause, not {type(other).__name__}")
            pace.check()
    except StopIteration as stop:
        return stop.value
    finally:
        _close(run)


def _validated(kind: Kind, params: str) -> BaseModel:
    """From JSON to Python first, for a strict model takes from JSON what it does not take from Python."""
    try:
        return kind.params.model_validate(json.loads(params))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidParams(f"{'.'.join(map(str, ('params', *first['loc'])))}: {first['msg']}") from error


def _close(run: Run) -> None:
    """Let a workload clean up. What goes wrong with that does not change how the attempt ends."""
    try:
        run.close()
    except Exception:
        log.exception("Workload failed while it was closed", action="close_failed")


def _failed(outbox: Outbox, claimed: Claimed, kind: Kind, error: Exception) -> None:
    """End the attempt as failed, and with it the task when it was the last that the kind allows."""
    failures = claimed.failures + 1
    described = _describe(error, kind)
    if failures >= kind.max_attempts:
        _fail(outbox, described)
        return
    retry_in_s = kind.backoff_s * 2 ** (failures - 1)
    reason = json.loads(described)["message"]
    message = f"attempt {claimed.owned.attempt} failed ({reason}); the next one starts in {retry_in_s:g} s"
    update = updates.status(State.QUEUED, message)
    outbox.end(update, Ending(State.QUEUED, lease=update.ts + retry_in_s * 1000, failure=True))


def _fail(outbox: Outbox, error: str) -> None:
    outbox.end(updates.status(State.FAILED, error=error), Ending(State.FAILED, failure=True, error=error))


def _describe(error: Exception, kind: Kind | None = None) -> str:
    if isinstance(error, TimeLimitReached) and kind is not None:
        return updates.error("TimeLimitReached", f"the attempt took longer than {kind.time_limit_s:g} s")
    return updates.error(type(error).__name__, str(error))
