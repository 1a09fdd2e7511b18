"""Liveness, readiness, what this process has done, and what all processes have used."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.routes.services import ServicesDep

router = APIRouter(tags=["operations"])

_STARTED: Final = time.time()


@router.get("/livez")
async def livez() -> dict[str, str | float]:
    """The process answers; `now_ms` is its clock, which a client may set its own by."""
    return {"status": "ok", "now_ms": time.time() * 1000}


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
    """This process: CPU and memory as the operating system counts them, sessions, live delivery, projection.

    `processes` are all replicas and workers that report to Redis, this one among them. `redis_nodes` are its servers,
    each under a name that changes when it is started again, and `redis` is all of them together, null when one does not
    tell. Of each, `at_ms` says when it was looked at. `missing` tells whether the reports of the others could not be
    read, and how many servers did not tell: what is here is then not all there is.
    """
    usage = await parts.usage.read()
    live, projection = parts.live, parts.projection.status()
    return {
        "now_ms": usage.own.at_ms,
        "uptime_s": usage.own.at_ms / 1000 - _STARTED,
        "cpu_s": usage.own.cpu_s,
        "memory_bytes": usage.own.memory_bytes,
        "sockets": len(parts.sockets),
        "subscriptions": live.hub.subscriptions,
        "live": asdict(live.hub.counters),
        "sessions": asdict(live.counters),
        "lost_ends": asdict(live.lost_ends.counters),
        "projection": projection.as_json(),
        "sweeper": asdict(parts.sweeper.counters),
        "usage": asdict(parts.usage.counters),
        "processes": [asdict(process) for process in usage.processes],
        "redis": None if usage.server is None else asdict(usage.server),
        "redis_nodes": [asdict(node) for node in usage.nodes],
        "missing": asdict(usage.missing),
    }
