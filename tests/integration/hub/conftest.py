"""nginx with the repository's nginx.conf, before two replicas of the api and the baseline, all of them real."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx
import pytest

from local.ports import free_port
from tests.integration.baseline.processes import Api as BaselineApi
from tests.integration.baseline.processes import Baseline
from tests.integration.hub.asking import Echo, Replicas, service
from tests.integration.hub.nginx import Hub, hub
from tests.support.system import System, system


@pytest.fixture(scope="package")
def made() -> Iterator[System]:
    with system() as made:
        yield made


@pytest.fixture(scope="package")
def replicas(made: System) -> Replicas:
    replicas = made.api("first"), made.api("second")
    made.worker("worker", WORKER_POOL="threads", WORKER_CONCURRENCY="16", WORKER_DRAIN_S="1")
    for api in replicas:
        api.wait_until_ready()
    return replicas


@pytest.fixture(scope="package")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaselineApi]:
    with closing(Baseline(tmp_path_factory.mktemp("baseline"))) as baseline:
        baseline.worker()
        yield baseline.api()


@pytest.fixture(scope="package")
def front(replicas: Replicas, baseline: BaselineApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    apis = [f"127.0.0.1:{api.port}" for api in replicas]
    with hub(tmp_path_factory.mktemp("hub"), apis=apis, baseline=urlsplit(baseline.url).netloc) as made:
        yield made


@pytest.fixture(scope="package")
def nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub behind which nothing listens."""
    address = f"127.0.0.1:{free_port()}"
    with hub(tmp_path_factory.mktemp("alone"), apis=[address], baseline=address) as made:
        yield made


@pytest.fixture(scope="package")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub before services that tell what they were asked."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with hub(tmp_path_factory.mktemp("mirrored"), apis=[address], baseline=address) as made:
            yield made
        server.shutdown()


@pytest.fixture
def http(front: Hub) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=front.url, timeout=40) as client:
        yield client


@pytest.fixture
def api(front: Hub) -> Iterator[httpx.Client]:
    """A client that goes through the hub to the api, and takes its links as they are."""
    with service(front, "/api") as client:
        yield client


@pytest.fixture
def polled(front: Hub) -> Iterator[httpx.Client]:
    with service(front, "/baseline") as client:
        yield client
