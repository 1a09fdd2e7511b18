"""What can be set, all of it by environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from local.ports import WantedPort
from protocol.slots import NO_CLUSTER_AS_BROKER, is_cluster

ROOT: Final = Path(__file__).resolve().parent.parent
"""The repository: where alembic.ini lies, and where the programs are started."""

Port = Annotated[int, Field(ge=1, le=65_535)]


class BadSettings(Exception):
    """An environment variable has a value that makes no sense."""


class Settings(BaseSettings):
    """The environment variables of the same names, in capitals. An empty one counts as not set."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    api_replicas: int = Field(default=1, ge=1, le=64)
    workers: int = Field(default=1, ge=1, le=64)
    baseline_port: Port = 8100
    hub_host: str = "127.0.0.1"
    hub_port: Port = 8080
    valkey_port: Port | None = None
    local_dir: Path = ROOT / ".local"
    redis_url: str | None = None
    broker_url: str | None = None
    database_url: str | None = None
    reach_timeout_s: float = Field(default=10.0, gt=0)
    """For a server that REDIS_URL or DATABASE_URL names, and that should be up by now."""
    worker_drain_s: float = Field(default=3.0, ge=0)
    """Shorter than the worker's own default, for whoever presses Ctrl-C waits. What it hands back is run again."""
    drain_timeout_s: float = Field(default=5.0, gt=0)
    """The same of the api."""

    @property
    def api_ports(self) -> range:
        """One for each replica."""
        return range(self.api_port, self.api_port + self.api_replicas)

    @property
    def drain_s(self) -> float:
        """What an orderly end of the programs may take."""
        return max(self.worker_drain_s, self.drain_timeout_s)

    @property
    def api_connect_host(self) -> str:
        """Where this machine reaches the api; it may listen on every address."""
        return _connect_host(self.api_host)

    def api_url(self, port: int) -> str:
        """Of the replica that listens on `port`."""
        return f"http://{_address(self.api_connect_host, port)}"

    @property
    def api_addresses(self) -> list[str]:
        """host:port of each replica."""
        return [_address(self.api_connect_host, port) for port in self.api_ports]

    @property
    def baseline_address(self) -> str:
        """host:port; it is reached from this machine only."""
        return _address("127.0.0.1", self.baseline_port)

    @property
    def hub_url(self) -> str:
        """Of the demo hub."""
        return f"http://{_address(_connect_host(self.hub_host), self.hub_port)}"

    def wanted_ports(self) -> list[WantedPort]:
        """Everything that will listen, in the order in which it is checked."""
        wanted = [
            WantedPort(
                host=self.api_host,
                port=port,
                purpose=f"api-{number} of {self.api_replicas}" if self.api_replicas > 1 else "the api",
                variable="API_PORT",
            )
            for number, port in enumerate(self.api_ports, start=1)
        ]
        wanted += [
            WantedPort(host="127.0.0.1", port=self.baseline_port, purpose="the baseline", variable="BASELINE_PORT"),
            WantedPort(host=self.hub_host, port=self.hub_port, purpose="the demo hub", variable="HUB_PORT"),
        ]
        if self.valkey_port is not None and self.redis_url is None:
            wanted.append(WantedPort(host="127.0.0.1", port=self.valkey_port, purpose="Valkey", variable="VALKEY_PORT"))
        return wanted

    @model_validator(mode="after")
    def _one_broker(self) -> Self:
        if is_cluster(self.broker_url or self.redis_url or ""):
            raise ValueError(NO_CLUSTER_AS_BROKER)
        return self

    @model_validator(mode="after")
    def _last_port_exists(self) -> Self:
        if self.api_ports[-1] > 65_535:
            msg = f"API_REPLICAS={self.api_replicas} from API_PORT={self.api_port} on goes past port 65535"
            raise ValueError(msg)
        return self


def _connect_host(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def from_environment() -> Settings:
    """Raises BadSettings, which names every variable that is wrong and why."""
    try:
        settings = Settings()
    except ValidationError as error:
        problems = (
            ": ".join([*map(str.upper, map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")])
            for problem in error.errors(include_url=False)
        )
        raise BadSettings("; ".join(problems)) from error
    return settings.model_copy(update={"local_dir": ROOT / settings.local_dir.expanduser()})
