"""docker-compose.yml against the code that it runs, and against .env.example."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final

import pytest
import yaml

from api.settings import ApiSettings
from baseline.settings import BaselineSettings
from tests.unit.deploy.programs import GOODBYE_S, POOL_ENDS_S
from tests.unit.deploy.rendering import ROOT
from worker.settings import WorkerSettings

_FILE: Final = (ROOT / "docker-compose.yml").read_text()
_VARIABLE: Final = re.compile(r"\$\{(\w+):-([^}]*)\}")
_SETTINGS: Final[dict[str, type[ApiSettings | WorkerSettings | BaselineSettings]]] = {
    "api": ApiSettings,
    "worker": WorkerSettings,
    "baseline-api": BaselineSettings,
    "baseline-worker": BaselineSettings,
}
_OF_ASYNCPG: Final = "PGPASSWORD"
_BASELINE_ENDS_S: Final = 5.0
"""baseline.api waits 2 s for requests; baseline.worker waits a second for tasks, and one for what is left to write."""


def services(**variables: str) -> dict[str, Any]:
    """As Compose reads them, with these variables set."""
    text = _VARIABLE.sub(lambda found: variables.get(found[1], found[2]), _FILE)
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def settings(service: str, environment: dict[str, Any]) -> Any:
    """What the program of the service makes of its environment."""
    return _SETTINGS[service].model_validate(
        {name.lower(): str(value) for name, value in environment.items() if value not in {None, ""}}
    )


def test_every_variable_is_documented_with_its_default() -> None:
    documented = dict(re.findall(r"(?m)^#([A-Z_]+)=(\S*)", (ROOT / ".env.example").read_text()))
    assert set(_VARIABLE.findall(_FILE)) == set(documented.items())


@pytest.mark.parametrize("service", _SETTINGS)
def test_every_variable_of_a_program_is_a_setting_with_a_value_that_it_takes(service: str) -> None:
    environment = services()[service]["environment"]
    fields = {name.upper() for name in _SETTINGS[service].model_fields}
    assert environment.keys() - {_OF_ASYNCPG} <= fields
    settings(service, environment)


def test_what_is_killed_has_had_its_time() -> None:
    found = services()
    grace_s = {name: float(found[name]["stop_grace_period"].removesuffix("s")) for name in _SETTINGS}
    api, worker = (settings(name, found[name]["environment"]) for name in ("api", "worker"))
    assert grace_s["api"] >= GOODBYE_S + 2 * api.drain_timeout_s
    assert grace_s["worker"] >= worker.worker_drain_s + worker.worker_grace_s + POOL_ENDS_S
    assert grace_s["baseline-api"] >= _BASELINE_ENDS_S
    assert grace_s["baseline-worker"] >= _BASELINE_ENDS_S


def test_an_image_is_built_once_and_pulled_by_none_of_those_that_use_it() -> None:
    found = services()
    built = Counter(each["image"] for each in found.values() if "build" in each)
    assert built == {"task-stream-app": 1, "task-stream-demo": 1}
    users = [each for each in found.values() if each["image"] in built and "build" not in each]
    assert {each["pull_policy"] for each in users} == {"never"}


@pytest.mark.parametrize("password", ["p@ss/w:rd%", "a#b?c=d&e"])
def test_a_password_is_in_no_url_and_told_to_those_alone_who_use_the_database(password: str) -> None:
    environments = {name: each.get("environment", {}) for name, each in services(POSTGRES_PASSWORD=password).items()}
    told = {name for name, environment in environments.items() if password in environment.values()}
    assert told == {"db", "migrate", "api"}
    urls = {
        name: environment["DATABASE_URL"] for name, environment in environments.items() if "DATABASE_URL" in environment
    }
    assert urls.keys() == told - {"db"}
    assert not any(password in url for url in urls.values())
