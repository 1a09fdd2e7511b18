"""Liveness, readiness, and what this process has used and done."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.routes.services import ServicesDep

router = APIRouter(tags=["operations"])

_STARTED: Final = time.time()
_PAGE: Final = resource.getpagesize()


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None)
async def readyz(parts: ServicesDep) -> Response:
    """Whether the database, Redis, live delivery and projection work; 503 with the reasons when not."""
    report = await parts.readiness.report()
    if parts.sockets.draining:
        report["process"] = "going away"
    ready = all(state == "ok" for state in report.values())
    body = {"status": "ok" if ready else "not ready", "checks": report}
    return JSONResponse(body, 200 if ready else 503)


@router.get("/stats")
async def stats(parts: ServicesDep) -> dict[str, Any]:
    """This process: CPU and memory as the operating system counts them, sessions, live delivery, projection."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    live, projection = parts.live, parts.projection.status()
    return {
        "now_ms": time.time() * 1000,
        "uptime_s": time.time() - _STARTED,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "memory_bytes": _resident_bytes(),
        "sockets": len(parts.sockets),
        "subscriptions": live.hub.subscriptions,
        "live": asdict(live.hub.counters),
        "sessions": asdict(live.counters),
        "projection": projection.as_json(),
        "sweeper": asdict(parts.sweeper.counters),
    }


def _resident_bytes() -> int:
    """Resident memory now, from the kernel (Linux); the highest it has been elsewhere."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - a counter, not a file
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
