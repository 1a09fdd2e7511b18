"""Settings of the api, from the environment."""

from __future__ import annotations

import os
import socket
from typing import Self
from urllib.parse import urlsplit

from pydantic import DirectoryPath, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from protocol.keys import PARTITIONS
from protocol.slots import NO_CLUSTER_AS_BROKER, ClusterUrl, is_cluster
from service.settings import LogFormat, LogLevel, Names


class ApiSettings(BaseSettings):
    """Each field is an environment variable of the same name in capitals; unset means the default."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65_535)
    api_root_path: str = Field(default="", description="The path under which a proxy serves this service")
    docs_files: DirectoryPath | None = Field(
        default=None, description="A folder with Swagger UI; without it /docs takes its files from a CDN"
    )
    database_url: str = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"
    redis_url: str = "redis://127.0.0.1:6379/0"
    broker_url: str | None = Field(
        default=None, description="Redis of the task messages, never a cluster; REDIS_URL when unset"
    )
    partitions: int = Field(default=PARTITIONS, ge=1, le=4096)
    workloads: Names = Field(default=(), description="Modules with further kinds, separated by commas")
    replica: str = Field(
        default_factory=lambda: f"api-{socket.gethostname()}-{os.getpid()}",
        description="Names this process in logs, in connections and as a consumer",
    )
    start_timeout_s: float = Field(default=30.0, gt=0, description="How long to wait for Redis and PostgreSQL at start")
    drain_timeout_s: float = Field(default=20.0, gt=0, description="How long an orderly end may take")
    flush_interval_s: float = Field(default=1.0, gt=0, description="How long progress and chunks wait to be written")
    queue_limit: int = Field(default=10_000, ge=1, description="Messages of one kind that may wait for a worker")
    body_limit: int = Field(default=4 * 2**20, ge=1024, description="Bytes of a request's body")
    follower_queue_bytes: int = Field(default=1 * 2**20, ge=1024, description="What may wait for one slow follower")
    send_buffer_bytes: int = Field(default=256 * 2**10, ge=4096, description="The socket's send buffer for a follower")
    pool_size: int = Field(default=5, ge=1, description="Connections to PostgreSQL that are kept")
    lag_limit: int = Field(
        default=200_000,  # all replicas see the same lag: more than the 80,000 that backpressure lets come about
        ge=1,
        description="Entries not yet written from which /readyz says no",
    )
    log_format: LogFormat = "text"
    log_level: LogLevel = "info"

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value is not None and is_cluster(value):
            ClusterUrl(value)  # raises ValueError
        elif value is not None and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("expected redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://")
        return value

    @model_validator(mode="after")
    def _one_broker(self) -> Self:
        if is_cluster(self.broker):
            raise ValueError(NO_CLUSTER_AS_BROKER)
        return self

    @property
    def broker(self) -> str:
        """Where the messages go."""
        return self.broker_url or self.redis_url
