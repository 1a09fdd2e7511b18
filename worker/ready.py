"""`python -m worker.ready`: the exit code is 0 when the worker here has given a sign of life lately, else 1.

The worker here is the one named WORKER_NAME, or any of this host when that is unset: a container has a host name of its
own and runs one. The sign tells that the main process lives and reaches Redis, or a node of it. Nothing is asked here.
"""

from __future__ import annotations

import socket
import sys

from pydantic import ValidationError

from worker.settings import WorkerSettings
from worker.sign import FRESH_S, alive


def main() -> int:
    """The exit code."""
    complaint = _complaint()
    if complaint is not None:
        sys.stderr.write(f"worker: {complaint}\n")
    return int(complaint is not None)


def _complaint() -> str | None:
    """What is wrong; None when all is well."""
    try:
        settings = WorkerSettings()
        names = list(alive())
    except (ValidationError, OSError) as error:
        return str(error)
    if "worker_name" in settings.model_fields_set:
        who, here = settings.worker_name, settings.worker_name in names
    else:
        host = f"@{socket.gethostname()}"
        who, here = f"…{host}", any(name.endswith(host) for name in names)
    return None if here else f"{who} has not reached Redis within {FRESH_S:g} s"


if __name__ == "__main__":
    sys.exit(main())
