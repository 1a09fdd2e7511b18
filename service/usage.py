"""What this process has used, as the operating system counts it."""

from __future__ import annotations

import resource
from typing import Final

_PAGE_BYTES: Final = resource.getpagesize()


def cpu_s() -> float:
    """Seconds of CPU that this process has used, all its threads, in user and in system mode."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_bytes() -> int:
    """Resident memory now, from the kernel (Linux); the highest it has been elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a counter, not a file
            return int(statm.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
