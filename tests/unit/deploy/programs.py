"""The programs of this repository in the containers of a deployment, and the settings that they read there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from api.settings import ApiSettings
from tests.unit.deploy.rendering import Manifest, Rendered, pod
from worker.settings import WorkerSettings

SETTINGS: Final[dict[str, type[ApiSettings | WorkerSettings]]] = {"api": ApiSettings, "worker": WorkerSettings}
GOODBYE_S: Final = 5.0
"""api.server says goodbye to its sockets for so long, before everything else."""
POOL_ENDS_S: Final = 10.0
"""What the pool of a worker may take to end, after its last task."""


def ours(rendered: Rendered) -> Iterator[tuple[Manifest, Manifest, str]]:
    """Each workload with its container and the program that runs there: api or worker."""
    for workload in rendered.workloads:
        for container in pod_of(workload)["containers"]:
            if container["name"] in SETTINGS:
                yield workload, container, container["name"]


def pod_of(workload: Manifest) -> Manifest:
    spec = pod(workload)
    assert spec is not None
    return spec


def with_workload(rendered: Rendered) -> Iterator[tuple[Manifest, Manifest]]:
    for workload in rendered.workloads:
        for container in pod_of(workload)["containers"]:
            yield workload, container


def api_settings(rendered: Rendered, container: Manifest) -> ApiSettings:
    return ApiSettings.model_validate(_values(rendered, container))


def worker_settings(rendered: Rendered, container: Manifest) -> WorkerSettings:
    return WorkerSettings.model_validate(_values(rendered, container))


def _values(rendered: Rendered, container: Manifest) -> dict[str, str]:
    return {name.lower(): value for name, value in rendered.environment(container).items() if value}


READ: Final[dict[str, Callable[[Rendered, Manifest], ApiSettings | WorkerSettings]]] = {
    "api": api_settings,
    "worker": worker_settings,
}
