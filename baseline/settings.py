"""Settings of both processes, from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.settings import LogFormat, LogLevel, Names


class BaselineSettings(BaseSettings):
    """Each field is an environment variable of the same name in capitals; unset means the default."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    baseline_host: str = "127.0.0.1"
    baseline_port: int = Field(default=8100, ge=0, le=65_535)
    baseline_root_path: str = Field(default="", description="The path under which a proxy serves this service")
    baseline_db: Path = Field(default=Path(".local/baseline/baseline.db"), description="Made when it is missing")
    baseline_concurrency: int = Field(default=8, ge=1, le=1_000, description="Tasks that run at the same time")
    baseline_spare_slots: int | None = Field(
        default=None,
        ge=0,
        description="Tasks of one kind leave so many of BASELINE_CONCURRENCY to kinds that run nothing; "
        "when unset, one for each such kind",
    )
    baseline_lease_ms: int = Field(
        default=10_000, ge=100, description="A worker that is silent for so long has lost its task"
    )
    baseline_queue_limit: int = Field(default=10_000, ge=1, description="Tasks that may be unfinished")
    baseline_kept_tasks: int = Field(default=1_000, ge=1, description="Finished tasks that are kept")
    baseline_kept_bytes: int = Field(default=2**30, ge=1, description="The same in bytes of their updates")
    baseline_waiting_limit: int = Field(default=500, ge=0, description="Clients that may wait with `Prefer: wait`")
    baseline_body_limit: int = Field(default=8 * 2**20, ge=1024, description="Bytes of a request's body")
    workloads: Names = Field(default=(), description="Modules with further kinds, separated by commas")
    log_format: LogFormat = "text"
    log_level: LogLevel = "info"
