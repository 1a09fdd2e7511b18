"""The environment of a worker."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from worker.settings import WorkerSettings


def test_unset_means_the_default_and_empty_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_CONCURRENCY", "")
    monkeypatch.delenv("BROKER_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://redis:6379/1")

    settings = WorkerSettings()

    assert settings.worker_concurrency == 8
    assert settings.broker == settings.redis_url == "redis://redis:6379/1"


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_KINDS", "compute_pi, synthetic,")
    monkeypatch.setenv("WORKLOADS", "ours.kinds")

    settings = WorkerSettings()

    assert settings.worker_kinds == ("compute_pi", "synthetic")
    assert settings.workloads == ("ours.kinds",)


def test_a_lease_is_renewed_three_times_before_it_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_MS", "6000")

    flusher = WorkerSettings().flusher

    assert (flusher.lease_ms, flusher.heartbeat_s) == (6000, 2.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "http://redis:6379"),
        ("REDIS_URL", "redis://redis:none"),
        ("REDIS_URL", "redis+cluster://redis:none"),
        ("BROKER_URL", "redis"),
        ("WORKER_POOL", "gevent"),
        ("WORKER_CONCURRENCY", "0"),
        ("LEASE_MS", "soon"),
        ("WORKER_DRAIN_S", "-1"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        WorkerSettings()


def test_a_cluster_needs_a_broker_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis+cluster://:hunter2@a:7001,b:7002")
    monkeypatch.delenv("BROKER_URL", raising=False)
    with pytest.raises(ValidationError, match="BROKER_URL must name") as raised:
        WorkerSettings()
    assert "hunter2" not in str(raised.value)

    monkeypatch.setenv("BROKER_URL", "redis+cluster://a:7001")
    with pytest.raises(ValidationError, match="BROKER_URL must name"):
        WorkerSettings()

    monkeypatch.setenv("BROKER_URL", "redis://c:6379/0")
    assert WorkerSettings().broker == "redis://c:6379/0"


def test_the_message_about_a_wrong_url_does_not_tell_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "http://:hunter2@redis:6379")

    with pytest.raises(ValidationError) as raised:
        WorkerSettings()

    assert "hunter2" not in str(raised.value)
