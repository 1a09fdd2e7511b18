"""`python -m worker.ready`: the exit code is 0 when the worker here has reported lately, else 1, with the reason.

The worker here is the one named WORKER_NAME, or any of this host when that is unset: a container has a host name of its
own and runs one. A report tells that the main process lives and reaches Redis. Its age is told by the clock of both.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import Any, Final

from pydantic import ValidationError
from redis.exceptions import RedisError

from protocol.usage import KEY, SILENT_MS, listed
from worker.connections import address, connect
from worker.settings import WorkerSettings

_WITHIN_S: Final = 3.0


def main() -> int:
    """The exit code."""
    answers: list[str | None] = ["Redis has not answered in time"]
    # Not every wait on the way has a limit of its own: a name is looked up for as long as the system likes.
    asking = threading.Thread(target=lambda: answers.append(_complaint()), daemon=True)
    asking.start()
    asking.join(_WITHIN_S)
    complaint = answers[-1]
    if complaint is not None:
        sys.stderr.write(f"worker: {complaint}\n")
    return int(complaint is not None)


def _complaint() -> str | None:
    """What is wrong; None when all is well."""
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        return str(error)
    try:
        with connect(settings.redis_url, "ready").at(KEY) as redis:
            entries: Any = redis.hgetall(KEY)
    except (RedisError, OSError) as error:
        return f"Redis at {address(settings.redis_url)} cannot be asked: {error}"
    names = [usage.name for usage in listed(entries, time.time() * 1000) if usage.role == "worker"]
    if "worker_name" in settings.model_fields_set:
        who, here = settings.worker_name, settings.worker_name in names
    else:
        host = f"@{socket.gethostname()}"
        who, here = f"…{host}", any(name.endswith(host) for name in names)
    return None if here else f"{who} has not reported within {SILENT_MS // 1000} s"


if __name__ == "__main__":
    sys.exit(main())
