"""Settings of a worker, from the environment."""

from __future__ import annotations

import os
import socket
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis.connection import parse_url

from protocol.calls import LogLimits
from protocol.keys import PARTITIONS
from protocol.slots import NO_CLUSTER_AS_BROKER, ClusterUrl, is_cluster
from service.settings import LogFormat, LogLevel, Names
from worker.emitter import EmitterLimits
from worker.flusher import FlusherSettings

_LOG, _EMITTER, _FLUSHER = LogLimits(), EmitterLimits(), FlusherSettings()


class WorkerSettings(BaseSettings):
    """Each field is an environment variable of the same name in capitals; unset means the default."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    redis_url: str = "redis://127.0.0.1:6379/0"
    broker_url: str | None = Field(
        default=None, description="Redis that carries the task messages, never a cluster; REDIS_URL when unset"
    )
    partitions: int = Field(default=PARTITIONS, ge=1, le=4096)
    workloads: Names = Field(default=(), description="Modules with further kinds, separated by commas")
    worker_name: str = Field(
        default_factory=lambda: f"worker-{os.getpid()}@{socket.gethostname()}",
        description="Names this worker in logs, in connections and among the processes of /stats",
    )
    worker_pool: Literal["prefork", "threads"] = "prefork"
    worker_concurrency: int = Field(default=8, ge=1, le=2_000, description="Tasks that run at the same time")
    worker_kinds: Names = Field(default=(), description="Kinds to run, separated by commas; all when unset")
    worker_spare_slots: int | None = Field(
        default=None,
        ge=0,
        description="Tasks of one kind leave so many of WORKER_CONCURRENCY to kinds that run nothing; "
        "when unset, one for each such kind",
    )
    worker_drain_s: float = Field(
        default=10.0,
        ge=0,
        description="Seconds that tasks may go on after SIGTERM before they are handed back",
    )
    worker_grace_s: float = Field(
        default=10.0,
        gt=0,
        description="Seconds after which a task that was to end and goes on is given up, and its pool process ended",
    )
    worker_start_timeout_s: float = Field(default=30.0, gt=0, description="How long to wait for Redis at the start")
    lease_ms: int = Field(default=10_000, ge=1_000, description="A worker that is silent for so long has lost its task")
    visibility_timeout_s: int = Field(
        default=60, ge=10, description="A message that was taken and never acknowledged is delivered again after this"
    )
    log_max_events: int = Field(default=_LOG.max_events, ge=100)
    log_max_bytes: int = Field(default=_LOG.max_bytes, ge=2**16)
    log_linger_s: int = Field(default=_LOG.linger_ms // 1000, ge=1)
    emit_buffer_events: int = Field(default=_EMITTER.buffer_events, ge=1)
    emit_patience_s: float = Field(default=_EMITTER.patience_s, gt=0)
    backlog_high: int = Field(default=_FLUSHER.backlog_high, ge=1)
    log_format: LogFormat = "text"
    log_level: LogLevel = "info"

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _names_a_redis(cls, value: str | None) -> str | None:
        if value is not None and is_cluster(value):
            ClusterUrl(value)  # raises ValueError
        elif value is not None:
            parse_url(value)  # type: ignore[no-untyped-call]  # raises ValueError
        return value

    @model_validator(mode="after")
    def _one_broker(self) -> Self:
        if is_cluster(self.broker):
            raise ValueError(NO_CLUSTER_AS_BROKER)
        return self

    @property
    def broker(self) -> str:
        """Where the messages are."""
        return self.broker_url or self.redis_url

    @property
    def log_limits(self) -> LogLimits:
        """Bounds of a task's log."""
        return LogLimits(self.log_max_events, self.log_max_bytes, self.log_linger_s * 1000)

    @property
    def emitter_limits(self) -> EmitterLimits:
        """Bounds of a task's buffer."""
        return EmitterLimits(buffer_events=self.emit_buffer_events, patience_s=self.emit_patience_s)

    @property
    def flusher(self) -> FlusherSettings:
        """Lease, backpressure and grace."""
        return FlusherSettings(
            lease_ms=self.lease_ms,
            heartbeat_s=self.lease_ms / 1000 / 3,
            backlog_high=self.backlog_high,
            grace_s=self.worker_grace_s,
        )
