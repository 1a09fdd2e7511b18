"""Liveness, readiness, and what both processes have used and done."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from baseline.api.services import ServicesDep
from baseline.storage import workers
from baseline.updates import now_ms
from service import usage

router = APIRouter(tags=["operations"])


@router.get("/livez")
async def livez() -> dict[str, str | float]:
    """The process answers; `now_ms` is its clock, which a client may set its own by."""
    return {"status": "ok", "now_ms": now_ms()}


@router.get("/readyz", response_model=None)
async def readyz(parts: ServicesDep) -> Response:
    """Whether the database answers and is watched; 503 with the reasons when not. It also tells of the workers."""
    try:
        found = await parts.database.read(workers.reported, now_ms())
        checks = {"database": "ok"}
    except sqlite3.Error as error:
        return JSONResponse({"status": "not ready", "checks": {"database": type(error).__name__}}, 503)
    checks["watcher"] = "ok" if parts.watcher.healthy else "the file was not looked at for a while"
    ready = all(state == "ok" for state in checks.values())
    body = {"status": "ok" if ready else "not ready", "checks": checks, "workers": len(found)}
    return JSONResponse(body, 200 if ready else 503)


@router.get("/stats")
async def stats(parts: ServicesDep) -> dict[str, Any]:
    """This process, CPU and memory as the operating system counts them; `worker` is what the workers report, added up.

    `processes` has each by its name: this one as it is now, and the workers as they last reported.
    """
    now = now_ms()
    found = await parts.database.read(workers.reported, now)
    own = workers.Report(workers.own_name(), usage.cpu_s(), usage.memory_bytes(), now)
    return {
        "now_ms": now,
        "uptime_s": (now - parts.started_ms) / 1000,
        "cpu_s": own.cpu_s,
        "memory_bytes": own.memory_bytes,
        "waiting": len(parts.watcher),
        **asdict(parts.traffic),
        "worker": asdict(workers.Workers.of(found)),
        "processes": [_process("api", own), *(_process("worker", one) for one in found)],
    }


def _process(role: Literal["api", "worker"], report: workers.Report) -> dict[str, Any]:
    return {"role": role, **asdict(report)}
