"""Real servers for the tests, each started once for a test process, on free ports and in temporary folders.

TEST_REDIS_URL and TEST_DATABASE_URL name servers to use instead; the first is emptied before every test, so that one
test process alone can use it (`-n 0`). Where the package of a server is missing, its tests are skipped, and in CI fail.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import hypothesis
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from sqlalchemy.ext.asyncio import AsyncEngine

from api.storage.database import create_engine
from local import migrations
from local.server import Server, ServerMissing, running
from local.servers import Postgres, Valkey, postgres_programs
from tests.support.absent import do_without
from tests.support.cluster import ValkeyCluster, cluster

_SERVER_FOLDERS: Final = {"integration", "e2e", "browser", "chaos"}
_SERVER_FIXTURES: Final = {"valkey_server", "cluster_servers", "postgres_server", "redis_url", "database_url"}
_PSQL_TIMEOUT_S: Final = 30.0

S = TypeVar("S", bound=Server)


# What is slow to generate on a busy machine is no mistake in a test; each has its time-out all the same.
hypothesis.settings.register_profile("here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("here")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "servers: needs a real server; set for whole folders and by fixture")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0] if item.path.is_relative_to(here) else ""
        if folder in _SERVER_FOLDERS or _SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """The handle of a Valkey that keeps its data: it may be stopped, killed and started again."""
    with _started(lambda folder: Valkey(folder / "valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The handle of a PostgreSQL. It does not wait for the disk; the end of its processes costs it nothing."""
    with _started(lambda folder: Postgres(folder / "postgres", durable=False)) as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """Of a Redis that is empty, and runs whatever the test before has done to it."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        url = _revived(request.getfixturevalue("valkey_server")).url
    elif int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        pytest.fail("TEST_REDIS_URL is emptied before every test, so only one process can use it: add -n 0")
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="session")
def cluster_servers() -> Iterator[ValkeyCluster]:
    """The handles of the nodes of a Redis Cluster."""
    with cluster() as made:
        yield made


@pytest.fixture
def valkey_cluster(cluster_servers: ValkeyCluster) -> ValkeyCluster:
    """A cluster that is empty and whole, whatever the test before has done to it."""
    cluster_servers.revive()
    cluster_servers.empty()
    return cluster_servers


@pytest.fixture
def cluster_url(valkey_cluster: ValkeyCluster) -> str:
    """Of that cluster."""
    return valkey_cluster.url


@pytest.fixture(params=["one server", "a cluster"])
def any_redis_url(request: pytest.FixtureRequest) -> str:
    """Of both topologies, in turn."""
    url: str = request.getfixturevalue("redis_url" if request.param == "one server" else "cluster_url")
    return url


@pytest.fixture
def sync_redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[AsyncRedis]:
    async with AsyncRedis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def template_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a database that is migrated and empty, and to which nobody connects."""
    server = os.environ.get("TEST_DATABASE_URL") or request.getfixturevalue("postgres_server").url
    with _database(server, "") as url:
        migrations.upgrade(url)
        yield _name(url)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, template_database: str) -> Iterator[str]:
    """`postgresql+asyncpg://…` of a database that is migrated, empty, and the test's own."""
    external = os.environ.get("TEST_DATABASE_URL")
    server = external or _revived(request.getfixturevalue("postgres_server")).url
    with _database(server, f"TEMPLATE {template_database}") as url:
        yield url
        if not external:
            _revived(request.getfixturevalue("postgres_server"))


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, application_name="tests")
    yield engine
    await engine.dispose()


@contextmanager
def _started(make: Callable[[Path], S]) -> Iterator[S]:
    # not pytest's own folder, which is closed to the account under which root runs PostgreSQL
    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        try:
            server = make(Path(folder))
            server.start()
        except ServerMissing as missing:
            do_without(str(missing))
        with running(server):
            yield server


def _revived(server: S) -> S:
    server.resume()
    server.start()
    return server


@contextmanager
def _database(server_url: str, options: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    _sql(server_url, f"CREATE DATABASE {name} {options}")
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        _sql(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _name(database_url: str) -> str:
    return urlsplit(database_url).path.removeprefix("/")


def _sql(url: str, statement: str) -> None:
    """With the server's own client: asyncpg would need an event loop, which belongs to the test."""
    plain = url.replace("postgresql+asyncpg://", "postgresql://")
    ended = subprocess.run(
        [
            postgres_programs() / "psql",
            "--no-psqlrc",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--command={statement}",
            plain,
        ],
        capture_output=True,
        text=True,
        timeout=_PSQL_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
