from __future__ import annotations

from pathlib import Path

import pytest

from local.reach import without_password
from local.settings import ROOT, BadSettings, from_environment

VARIABLES = (
    *("API_HOST", "API_PORT", "API_REPLICAS", "WORKERS", "BASELINE_PORT", "HUB_HOST", "HUB_PORT"),
    *("VALKEY_PORT", "LOCAL_DIR"),
    *("REDIS_URL", "DATABASE_URL", "WORKER_DRAIN_S"),
)


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_with_nothing_set_there_is_one_of_each_on_the_usual_ports() -> None:
    settings = from_environment()
    assert list(settings.api_ports) == [8000]
    assert settings.workers == 1
    assert settings.local_dir == ROOT / ".local"
    assert {port.variable: port.port for port in settings.wanted_ports()} == {
        "API_PORT": 8000,
        "BASELINE_PORT": 8100,
        "HUB_PORT": 8080,
    }
    assert {port.host for port in settings.wanted_ports()} == {"127.0.0.1"}


def test_replicas_have_consecutive_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "9000")
    monkeypatch.setenv("API_REPLICAS", "3")
    monkeypatch.setenv("VALKEY_PORT", "9100")
    settings = from_environment()
    assert [port.port for port in settings.wanted_ports()] == [9000, 9001, 9002, 8100, 8080, 9100]
    assert settings.api_addresses == ["127.0.0.1:9000", "127.0.0.1:9001", "127.0.0.1:9002"]


def test_the_port_of_a_server_that_is_not_started_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALKEY_PORT", "9100")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    assert 9100 not in [port.port for port in from_environment().wanted_ports()]


@pytest.mark.parametrize(
    ("local_dir", "meant"),
    [
        ("data", ROOT / "data"),
        ("/srv/data", Path("/srv/data")),
        ("~/data", Path.home() / "data"),
        ("", ROOT / ".local"),
    ],
)
def test_a_relative_folder_is_one_of_the_repository(
    monkeypatch: pytest.MonkeyPatch, local_dir: str, meant: Path
) -> None:
    monkeypatch.setenv("LOCAL_DIR", local_dir)
    assert from_environment().local_dir == meant


def test_every_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "eighty")
    monkeypatch.setenv("WORKERS", "0")
    with pytest.raises(BadSettings, match=r"API_PORT: .*integer.*; WORKERS: .*greater"):
        from_environment()


def test_replicas_past_the_last_port_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "65535")
    monkeypatch.setenv("API_REPLICAS", "2")
    with pytest.raises(BadSettings, match=r"^API_REPLICAS=2 from API_PORT=65535 on goes past port 65535$"):
        from_environment()


def test_a_cluster_is_not_taken_for_the_task_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis+cluster://127.0.0.1:7001")
    with pytest.raises(BadSettings, match="BROKER_URL must name a Redis that stands alone"):
        from_environment()


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1")],  # noqa: S104
)
def test_an_api_that_listens_everywhere_is_reached_at_home(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.setenv("API_HOST", host)
    assert from_environment().api_url(1) == url


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::1", "http://[::1]:1")],  # noqa: S104
)
def test_the_hub_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("HUB_HOST", host)
    monkeypatch.setenv("HUB_PORT", "1")
    settings = from_environment()
    assert settings.hub_url == url
    assert (host, 1) in {(port.host, port.port) for port in settings.wanted_ports()}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:secret@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:secret@host/0", "redis://:***@host/0"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("postgresql://postgres@/postgres?host=/run/pg", "postgresql://postgres@/postgres?host=/run/pg"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
