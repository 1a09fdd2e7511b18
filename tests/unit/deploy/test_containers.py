"""What runs in the containers of deploy/kubernetes: the programs, settings and images that there are."""

from __future__ import annotations

import re

from api.app import create_app
from api.settings import ApiSettings
from tests.unit.deploy.programs import (
    GOODBYE_S,
    POOL_ENDS_S,
    READ,
    SETTINGS,
    api_settings,
    ours,
    pod_of,
    with_workload,
    worker_settings,
)
from tests.unit.deploy.rendering import KUBERNETES, ROOT, Rendered, containers, found_under, load


def test_the_api_listens_where_the_cluster_looks(rendered: Rendered) -> None:
    (container,) = [container for _, container, program in ours(rendered) if program == "api"]
    environment = rendered.environment(container)
    assert environment["API_HOST"] == "0.0.0.0"  # noqa: S104 - a pod's own network
    ports = {port["containerPort"] for port in container["ports"]}
    assert ports == {int(environment["API_PORT"] or "")}
    annotations = rendered.one("Deployment", "api")["spec"]["template"]["metadata"]["annotations"]
    assert int(annotations["prometheus.io/port"]) in ports
    assert annotations["prometheus.io/path"] in _routes()


def test_probes_ask_for_what_there_is(rendered: Rendered) -> None:
    places = {"api": _routes(), "hub": set(re.findall(r"location = (\S+)", (ROOT / "nginx.conf").read_text()))}
    for workload, container in with_workload(rendered):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            http = container.get(probe, {}).get("httpGet")
            assert http is None or http["path"] in places[workload["metadata"]["name"]]
        command = container.get("readinessProbe", {}).get("exec", {}).get("command", [])
        assert command in ([], ["python", "-m", "worker.ready"])
        assert not command or (ROOT / "worker" / "ready.py").exists()


def test_liveness_asks_no_server(rendered: Rendered) -> None:
    for _, container in with_workload(rendered):
        for probe in ("startupProbe", "livenessProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["path"] in {"/livez", "/healthz"}


def test_a_start_may_take_as_long_as_the_api_waits(rendered: Rendered) -> None:
    for _, container, program in ours(rendered):
        if program == "api":
            settings = api_settings(rendered, container)
            probe = container["startupProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] > settings.start_timeout_s + 10


def test_every_variable_is_a_setting_with_a_value_that_it_takes(rendered: Rendered) -> None:
    for _, container, program in ours(rendered):
        fields = {name.upper() for name in SETTINGS[program].model_fields}
        assert rendered.environment(container).keys() <= fields
        READ[program](rendered, container)


def test_api_and_workers_agree(rendered: Rendered) -> None:
    settings = [READ[program](rendered, container) for _, container, program in ours(rendered)]
    assert len({(each.partitions, each.workloads) for each in settings}) == 1


def test_every_process_has_a_name_of_its_own(rendered: Rendered) -> None:
    for _, container, program in ours(rendered):
        name = {"api": "REPLICA", "worker": "WORKER_NAME"}[program]
        (found,) = [each for each in container["env"] if each["name"] == name]
        assert found["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_secrets_are_those_of_the_example_and_workers_get_no_database(rendered: Rendered) -> None:
    (example,) = load(KUBERNETES / "secret.example.yaml")
    references = list(found_under(rendered.manifests, "secretKeyRef"))
    authentication = rendered.all("TriggerAuthentication").values()
    references += [each for found in authentication for each in found["spec"]["secretTargetRef"]]
    assert {each["name"] for each in references} == {example["metadata"]["name"]}
    assert {each["key"] for each in references} <= example["stringData"].keys()
    assert not rendered.all("Secret")
    for _, container, program in ours(rendered):
        assert ("DATABASE_URL" in rendered.environment(container)) == (program == "api")


def test_what_is_killed_has_had_its_time(rendered: Rendered) -> None:
    for workload, container, program in ours(rendered):
        grace_s = pod_of(workload)["terminationGracePeriodSeconds"]
        if program == "worker":
            worker = worker_settings(rendered, container)
            assert grace_s >= worker.worker_drain_s + worker.worker_grace_s + POOL_ENDS_S
        else:
            api = api_settings(rendered, container)
            sleep, pause_s = container["lifecycle"]["preStop"]["exec"]["command"]
            assert sleep == "sleep"
            assert grace_s >= float(pause_s) + GOODBYE_S + 2 * api.drain_timeout_s


def test_images_are_those_of_compose(rendered: Rendered) -> None:
    compose = load(ROOT / "docker-compose.yml")[0]
    built = {each["image"] for each in compose["services"].values() if "build" in each}
    used = {container["image"] for container in containers(rendered.manifests)}
    assert {image.rpartition("/")[2].partition(":")[0] for image in used} == built


def test_commands_are_those_of_compose(rendered: Rendered) -> None:
    services = load(ROOT / "docker-compose.yml")[0]["services"]
    for _, container in with_workload(rendered):
        if container["name"] in services:
            assert container["command"] == services[container["name"]]["command"]


def test_every_pod_is_confined(rendered: Rendered) -> None:
    for workload in rendered.workloads:
        spec = pod_of(workload)
        assert spec["serviceAccountName"] in rendered.all("ServiceAccount")
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False  # API_PORT=tcp://… would be no port
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] in {10001, 101}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_users_are_those_of_the_images(rendered: Rendered) -> None:
    stages = re.split(r"(?m)^FROM ", (ROOT / "Dockerfile").read_text())
    users = {
        "task-stream-app": next(stage for stage in stages if stage.startswith("scratch AS app")),
        "task-stream-demo": next(stage for stage in stages if stage.startswith("scratch AS demo")),
    }
    for workload, container in with_workload(rendered):
        security = pod_of(workload)["securityContext"]
        stage = users[container["image"].rpartition("/")[2].partition(":")[0]]
        assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in stage


def _routes() -> set[str]:
    return set(create_app(ApiSettings()).openapi()["paths"])
