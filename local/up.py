"""The whole system on this machine, from nothing to ready, and down again with nothing left behind."""

from __future__ import annotations

import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NoReturn

from local import migrations
from local.children import end_all, spawn
from local.hub import exposure
from local.ports import require_free
from local.programs import programs
from local.reach import wait_for_postgres, wait_for_redis, wait_until_ready, without_password
from local.server import Server, running
from local.servers import Postgres, Valkey
from local.settings import ROOT, Settings
from local.supervisor import Program, encode
from local.waiting import ignore_stop_signals, wait_for_end, wait_until

_BEYOND_DRAIN_S: Final = 3.0
"""What the programs get beyond their drain to end by themselves."""
_WATCH_S: Final = 0.25


class Ended(Exception):
    """A process that should go on has ended by itself."""


class LocalDirTaken(Exception):
    """Another one runs on the same folder."""


def up(settings: Settings) -> None:
    """Run everything until StopRequested, and end what it started.

    A program that ends is started again; when it does so too early or too often, or a server ends: raises Ended.
    """
    with ExitStack() as stack:
        try:
            _run(settings, stack)
        finally:
            ignore_stop_signals()


@contextmanager
def sole_user(local_dir: Path) -> Iterator[None]:
    """Hold the folder, made when it is missing. Raises LocalDirTaken; the lock of a process that was killed is gone."""
    local_dir.mkdir(parents=True, exist_ok=True)
    with (local_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            msg = (
                f"{local_dir} is in use by another one that runs (pid {lock.read().strip()}): stop that, or set "
                "LOCAL_DIR to another folder and API_PORT to another port"
            )
            raise LocalDirTaken(msg) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _run(settings: Settings, stack: ExitStack) -> None:
    began = time.monotonic()
    stack.enter_context(sole_user(settings.local_dir))
    require_free(settings.wanted_ports())
    if warning := exposure(settings.hub_host, as_root=os.geteuid() == 0):
        _say(warning)
    if settings.database_url:
        wait_for_postgres(settings.database_url, timeout_s=settings.reach_timeout_s)
    if settings.redis_url:
        wait_for_redis(settings.redis_url, timeout_s=settings.reach_timeout_s)
    if settings.broker_url:
        wait_for_redis(settings.broker_url, timeout_s=settings.reach_timeout_s, variable="BROKER_URL")
    servers: list[Server] = []
    database_url = settings.database_url or _start(
        Postgres(settings.local_dir / "postgres"), stack=stack, servers=servers
    )
    redis_url = settings.redis_url or _start(
        Valkey(settings.local_dir / "valkey", port=settings.valkey_port), stack=stack, servers=servers
    )
    _say("Migrating the database")
    migrations.upgrade(database_url)
    ready = settings.local_dir / "ready"
    ready.unlink(missing_ok=True)
    wanted = programs(settings, database_url=database_url, redis_url=redis_url, ready=ready)
    supervisor = stack.enter_context(_supervised(wanted, drain_s=settings.drain_s, servers=servers))
    urls = [settings.api_url(port) for port in settings.api_ports]
    # The hub is asked last, through it the api: while that starts, it would log every question as an error.
    for services in ([*urls, f"http://{settings.baseline_address}"], [f"{settings.hub_url}/api"]):
        wait_until_ready(services, give_up=lambda: not _all_run(supervisor, servers))
    if _all_run(supervisor, servers):
        ready.touch()
        _say(_summary(settings, urls, database_url, redis_url, time.monotonic() - began))
    _watch(supervisor, servers)


def _start(server: Server, *, stack: ExitStack, servers: list[Server]) -> str:
    _say(f"Starting {server.name}")
    stack.enter_context(running(server))
    servers.append(server)
    return server.url


@contextmanager
def _supervised(
    wanted: Sequence[Program], *, drain_s: float, servers: Sequence[Server]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `wanted`; at the end stop them all, while the servers still answer them."""
    patience_s = drain_s + _BEYOND_DRAIN_S
    supervisor: subprocess.Popen[bytes] | None = None
    try:
        supervisor = spawn(
            [sys.executable, "-m", "local.supervisor"],
            on_our_death=signal.SIGTERM,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            environment={"PYTHONUNBUFFERED": ""},  # a line is one write then, and no line of ours comes in between
        )
        assert supervisor.stdin is not None
        with supervisor.stdin as pipe:
            pipe.write(encode(wanted, patience_s=patience_s))
        yield supervisor
    finally:
        if supervisor is not None:
            supervisor.terminate()
            wait_for_end(supervisor, timeout_s=patience_s + _WATCH_S)
        end_all(spare=[server.pid for server in servers if server.running])


def _all_run(supervisor: subprocess.Popen[bytes], servers: Sequence[Server]) -> bool:
    return supervisor.poll() is None and all(server.running for server in servers)


def _watch(supervisor: subprocess.Popen[bytes], servers: Sequence[Server]) -> NoReturn:
    """Wait until one of them ends. Raises Ended."""
    wait_until(lambda: not _all_run(supervisor, servers), timeout_s=math.inf, poll_s=_WATCH_S)
    for server in servers:
        if not server.running:
            msg = f"{server.name} has ended by itself, so all were stopped; its log is {server.log_path}"
            raise Ended(msg)
    msg = "one of the programs has ended by itself, too early or too often, so all were stopped; see the log above"
    raise Ended(msg)


def _summary(settings: Settings, urls: Sequence[str], database_url: str, redis_url: str, took_s: float) -> str:
    more = f"  and {len(urls) - 1} more: {' '.join(urls[1:])}" if urls[1:] else ""
    lines = {
        "Demo hub": settings.hub_url,
        "API": f"{urls[0]}{more}",
        "Documentation": f"{urls[0]}/docs",
        "Baseline": f"http://{settings.baseline_address}",
        "PostgreSQL": without_password(database_url).replace("postgresql+asyncpg:", "postgresql:"),  # as psql takes it
        "Redis": without_password(redis_url),
        "Data": str(settings.local_dir),
    }
    body = "\n".join(f"  {name:<14} {value}" for name, value in lines.items())
    return f"\nEverything is ready, after {took_s:.1f} s.\n\n{body}\n\n  Ctrl-C stops it.\n"


def _say(text: str) -> None:
    """In one write, for the programs print to the same place."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
