"""One suite for both servers: whatever happens to a server, its data and its address are there again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.account import server_account
from local.children import has_ended, tree
from local.server import Server, ServerError, running
from local.servers import Postgres, Valkey, postgres_programs
from local.waiting import wait_until

_LIMIT_S: Final = 20.0
_PATIENCE_S: Final = 2.0
"""Of a client with a server that is up."""


class Client(Protocol):
    """What a test does with a server: note a word, and read it back."""

    def __call__(self, server: Server, word: str | None = None) -> str: ...


def valkey_client(server: Server, word: str | None = None) -> str:
    once = Retry(NoBackoff(), 0)
    with redis.Redis.from_url(server.url, socket_timeout=_PATIENCE_S, retry=once, decode_responses=True) as client:
        if word is not None:
            client.set("word", word)
        return str(client.get("word"))


def postgres_client(server: Server, word: str | None = None) -> str:
    read = "SELECT string_agg(word, ',') FROM words;\n"
    write = "CREATE TABLE IF NOT EXISTS words (word text);\nINSERT INTO words VALUES (:'word');\n"
    ended = subprocess.run(
        [
            *(postgres_programs() / "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"),
            *(f"--set=word={word}", server.url.replace("+asyncpg", "")),
        ],
        input=read if word is None else write + read,
        capture_output=True,
        text=True,
        check=True,
        timeout=_PATIENCE_S,
    )
    return ended.stdout.strip()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tests-") as name:
        yield Path(name)


Make = Callable[[], Server]


@pytest.fixture(params=["valkey", "postgres"])
def make(request: pytest.FixtureRequest, folder: Path) -> Make:
    """Makes handles of servers on one directory, which does not exist yet."""
    if request.param == "valkey":
        return lambda: Valkey(folder / "some where" / "valkey")
    return lambda: Postgres(folder / "some where" / "postgres", durable=False)


@pytest.fixture
def client(make: Make) -> Client:
    return valkey_client if isinstance(make(), Valkey) else postgres_client


def test_it_answers_once_started_and_is_gone_once_left(make: Make, client: Client) -> None:
    with running(make()) as server:
        processes = tree(server.pid)
        assert client(server, "hello") == "hello"
    assert not server.running
    assert all(map(has_ended, processes))


def test_it_stops_and_starts_on_the_same_data_and_address(make: Make, client: Client) -> None:
    with running(make()) as server:
        client(server, "kept")
        url, pid = server.url, server.pid
        server.stop()
        server.stop()
        with pytest.raises(ServerError, match="not running"):
            _ = server.pid
        server.start()
        server.start()
        assert server.url == url
        assert server.pid != pid
        assert client(server) == "kept"


def test_it_is_killed_and_starts_with_what_was_acknowledged(make: Make, client: Client) -> None:
    with running(make()) as server:
        client(server, "acknowledged")
        processes = tree(server.pid)
        server.kill()
        assert all(map(has_ended, processes))
        server.start()
        assert client(server) == "acknowledged"


def test_it_starts_when_somebody_killed_its_main_process_only(make: Make, client: Client) -> None:
    with running(make()) as server:
        client(server, "acknowledged")
        os.kill(server.pid, signal.SIGKILL)
        assert wait_until(lambda: not server.running, timeout_s=_LIMIT_S)
        server.start()
        assert client(server) == "acknowledged"


def test_while_it_is_paused_it_does_not_answer(make: Make, client: Client) -> None:
    with running(make()) as server:
        client(server, "patience")
        server.pause()
        with pytest.raises((redis.TimeoutError, subprocess.TimeoutExpired)):
            client(server)
        server.resume()
        assert client(server) == "patience"


def test_it_stops_though_it_is_paused(make: Make) -> None:
    with running(make()) as server:
        server.pause()
    assert not server.running


def test_what_a_dead_starter_left_running_is_replaced(make: Make, client: Client) -> None:
    with running(make()) as forgotten:
        client(forgotten, "kept")
        with running(make()) as server:
            assert wait_until(lambda: not forgotten.running, timeout_s=_LIMIT_S)
            assert client(server) == "kept"


def test_a_pid_file_that_names_another_process_is_no_obstacle(make: Make, client: Client) -> None:
    with running(make()) as server:
        client(server, "kept")
        pid_file = server._pid_file
        server.stop()
        pid_file.write_text(f"{os.getppid()}\n{pid_file.parent}\n1700000000\n5432\n\n\n\n")
        server.start()
        assert client(server) == "kept"
        assert psutil.pid_exists(os.getppid())


@pytest.mark.skipif(sys.platform != "linux", reason="a child cannot ask for a signal at its parent's death")
def test_it_ends_when_its_starter_is_killed(make: Make) -> None:
    server = make()
    script = f"""
from pathlib import Path
from local.servers import Postgres, Valkey
server = {type(server).__name__}(Path({str(server.directory)!r}))
server.start()
print(server.pid, flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as starter:
        assert starter.stdout is not None
        processes = tree(int(starter.stdout.readline()))
        starter.kill()
    assert len(processes) >= 1
    assert wait_until(lambda: all(map(has_ended, processes)), timeout_s=_LIMIT_S)


def test_valkey_says_why_it_does_not_start_on_a_busy_port(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        server = Valkey(folder / "valkey", port=busy.getsockname()[1])
        with pytest.raises(ServerError, match="Address already in use"):
            server.start()
    assert not server.running


def test_valkey_takes_another_port_when_the_one_it_found_free_is_not(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        server = Valkey(folder / "valkey")
        server.port = busy.getsockname()[1]
        with running(server):
            assert server.port != busy.getsockname()[1]
            assert valkey_client(server, "hello") == "hello"


def test_valkey_evicts_nothing_and_writes_every_second(folder: Path) -> None:
    with (
        running(Valkey(folder / "valkey")) as server,
        redis.Redis.from_url(server.url, decode_responses=True) as client,
    ):
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy")
    assert settings == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def test_postgres_starts_in_a_folder_too_deep_for_a_socket(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    with running(Postgres(deep, durable=False)) as server:
        assert postgres_client(server, "deep") == "deep"
        url = server.url
        server.stop()
        server.start()
        assert server.url == url


def test_postgres_forgets_an_initialisation_that_was_cut_short(folder: Path) -> None:
    unfinished = folder / "postgres" / "unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with running(Postgres(folder / "postgres", durable=False)) as server:
        assert postgres_client(server, "hello") == "hello"


def test_postgres_refuses_the_data_of_another_version(folder: Path) -> None:
    data = folder / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ServerError, match=r"is of PostgreSQL 9, and this one is \d+"):
        Postgres(folder / "postgres").start()


def test_postgres_lets_no_other_account_in(folder: Path) -> None:
    with running(Postgres(folder / "postgres", durable=False)) as server:
        found = server.directory.stat()
        assert found.st_mode & 0o077 == 0
        assert server.directory.owner() == server_account() or found.st_uid == os.geteuid()
