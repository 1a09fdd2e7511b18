"""deploy/kubernetes against itself, and against the code that it runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from api.app import create_app
from api.settings import ApiSettings
from local.servers import nginx_program
from tests.unit.deploy.rendering import KUBERNETES, ROOT, Manifest, Rendered, containers, load, pod, render
from worker.app import queue_of
from worker.settings import WorkerSettings
from workloads.registry import load as load_kinds

BASE: Final = KUBERNETES / "base"
PRODUCTION: Final = KUBERNETES / "overlays" / "production"
SETTINGS: Final[dict[str, type[ApiSettings | WorkerSettings]]] = {"api": ApiSettings, "worker": WorkerSettings}
GOODBYE_S: Final = 5.0
"""api.server says goodbye to its sockets for so long, before everything else."""
POOL_ENDS_S: Final = 10.0
"""What the pool of a worker may take to end, after its last task."""


@pytest.fixture(params=[BASE, PRODUCTION], ids=["base", "production"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return Rendered(render(request.param))


@pytest.fixture
def production() -> Rendered:
    return Rendered(render(PRODUCTION))


def ours(rendered: Rendered) -> Iterator[tuple[Manifest, Manifest, str]]:
    """Each workload with its container and the program that runs there: api or worker."""
    for workload in rendered.workloads:
        for container in _pod(workload)["containers"]:
            if container["name"] in SETTINGS:
                yield workload, container, container["name"]


def test_every_file_is_yaml_that_somebody_uses() -> None:
    used = {path for folder in (BASE, PRODUCTION) for path in _named(folder)}
    files = {path for path in KUBERNETES.rglob("*") if path.is_file()}
    assert files - used == {KUBERNETES / "README.md", KUBERNETES / "secret.example.yaml"}
    assert all(load(path) for path in files if path.suffix == ".yaml")


def test_nothing_is_there_twice_and_all_is_in_one_namespace(rendered: Rendered) -> None:
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in rendered.manifests]
    assert len(names) == len(set(names))
    (namespace,) = rendered.all("Namespace")
    for folder in (BASE, PRODUCTION):
        assert load(folder / "kustomization.yaml")[0]["namespace"] == namespace
    assert load(KUBERNETES / "secret.example.yaml")[0]["metadata"]["namespace"] == namespace


def test_every_selector_finds_pods(rendered: Rendered) -> None:
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in rendered.workloads]
    for each in rendered.manifests:
        for selector in _selectors(each):
            assert any(_fits(selector, of_pod) for of_pod in labels), (each["kind"], each["metadata"]["name"], selector)
    for deployment in rendered.all("Deployment").values():
        selector = deployment["spec"]["selector"]
        (matched,) = [of_pod for of_pod in labels if _fits(selector, of_pod)]
        assert matched == deployment["spec"]["template"]["metadata"]["labels"]


def test_ports_that_are_named_are_ports_of_the_pods(rendered: Rendered) -> None:
    ports = {
        workload["metadata"]["name"]: {
            port["name"] for container in _pod(workload)["containers"] for port in container.get("ports", [])
        }
        for workload in rendered.workloads
    }
    for service in rendered.all("Service").values():
        name = service["spec"]["selector"]["app.kubernetes.io/name"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports[name]
    for workload, container in _with_workload(rendered):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            http = container.get(probe, {}).get("httpGet")
            assert http is None or http["port"] in ports[workload["metadata"]["name"]]
    for ingress in rendered.all("Ingress").values():
        for backend in _found(ingress, "service"):
            service = rendered.one("Service", backend["name"])
            assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


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
    for workload, container in _with_workload(rendered):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            http = container.get(probe, {}).get("httpGet")
            assert http is None or http["path"] in places[workload["metadata"]["name"]]
        command = container.get("readinessProbe", {}).get("exec", {}).get("command", [])
        assert command in ([], ["python", "-m", "worker.ready"])
        assert not command or (ROOT / "worker" / "ready.py").exists()


def test_liveness_asks_no_server(rendered: Rendered) -> None:
    for _, container in _with_workload(rendered):
        for probe in ("startupProbe", "livenessProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["path"] in {"/livez", "/healthz"}


def test_a_start_may_take_as_long_as_the_api_waits(rendered: Rendered) -> None:
    for _, container, program in ours(rendered):
        if program == "api":
            settings = _api(rendered, container)
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
    references = list(_found(rendered.manifests, "secretKeyRef"))
    authentication = rendered.all("TriggerAuthentication").values()
    references += [each for found in authentication for each in found["spec"]["secretTargetRef"]]
    assert {each["name"] for each in references} == {example["metadata"]["name"]}
    assert {each["key"] for each in references} <= example["stringData"].keys()
    assert not rendered.all("Secret")
    for _, container, program in ours(rendered):
        assert ("DATABASE_URL" in rendered.environment(container)) == (program == "api")


def test_what_is_killed_has_had_its_time(rendered: Rendered) -> None:
    for workload, container, program in ours(rendered):
        grace_s = _pod(workload)["terminationGracePeriodSeconds"]
        if program == "worker":
            worker = _worker(rendered, container)
            assert grace_s >= worker.worker_drain_s + worker.worker_grace_s + POOL_ENDS_S
        else:
            api = _api(rendered, container)
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
    for _, container in _with_workload(rendered):
        if container["name"] in services:
            assert container["command"] == services[container["name"]]["command"]


def test_production_names_one_release(production: Rendered) -> None:
    tags = {container["image"].partition(":")[2] for container in containers(production.manifests)}
    (tag,) = tags
    assert tag not in {"", "latest"}
    assert list(production.all("Job")) == [f"migrate-{tag.replace('.', '-')}"]


def test_every_pod_is_confined(rendered: Rendered) -> None:
    for workload in rendered.workloads:
        spec = _pod(workload)
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
    for workload, container in _with_workload(rendered):
        security = _pod(workload)["securityContext"]
        stage = users[container["image"].rpartition("/")[2].partition(":")[0]]
        assert f"USER {security['runAsUser']}:{security['runAsGroup']}\n" in stage


def test_volumes_and_config_maps_exist(rendered: Rendered) -> None:
    for workload in rendered.workloads:
        spec = _pod(workload)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in spec["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes.keys()
        for volume in volumes.values():
            assert "configMap" not in volume or volume["configMap"]["name"] in rendered.all("ConfigMap")


def test_what_scales_and_guards_has_a_target(production: Rendered) -> None:
    deployments = production.all("Deployment")
    scalers = [*production.all("HorizontalPodAutoscaler").values(), *production.all("ScaledObject").values()]
    scaled = [each["spec"]["scaleTargetRef"]["name"] for each in scalers]
    assert len(scaled) == len(set(scaled))
    assert set(scaled) == deployments.keys() - {"hub"}
    for name in scaled:
        assert "replicas" not in deployments[name]["spec"], "an apply would set what the autoscaler has chosen"
    budgets = {name: each["spec"]["selector"] for name, each in production.all("PodDisruptionBudget").items()}
    assert budgets == {name: deployment["spec"]["selector"] for name, deployment in deployments.items()}


def test_scaling_down_is_slow(production: Rendered) -> None:
    behaviors = [each["spec"]["behavior"] for each in production.all("HorizontalPodAutoscaler").values()]
    behaviors += [
        each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        for each in production.all("ScaledObject").values()
    ]
    assert all(each["scaleDown"]["stabilizationWindowSeconds"] >= 600 for each in behaviors)


def test_every_kind_is_run_by_one_deployment_which_its_queue_scales(production: Rendered) -> None:
    kinds = load_kinds(())
    run: dict[str, str] = {}
    for workload, container, program in ours(production):
        if program == "worker":
            for kind in _worker(production, container).worker_kinds:
                assert run.setdefault(kind, workload["metadata"]["name"]) == workload["metadata"]["name"]
    assert run.keys() == set(kinds)
    scaled = {
        trigger["metadata"]["listName"]: each["spec"]["scaleTargetRef"]["name"]
        for each in production.all("ScaledObject").values()
        for trigger in each["spec"]["triggers"]
    }
    assert scaled.pop("unacked") == "worker"
    assert scaled == {queue_of(kind): name for kind, name in run.items()}


def test_queues_are_measured_by_the_slots_of_a_worker(production: Rendered) -> None:
    slots = {_worker(production, c).worker_concurrency for _, c, p in ours(production) if p == "worker"}
    for each in production.all("ScaledObject").values():
        assert {int(trigger["metadata"]["listLength"]) for trigger in each["spec"]["triggers"]} == slots
        modifiers = each["spec"]["advanced"].get("scalingModifiers")
        if modifiers:
            assert {int(modifiers["target"])} == slots
            assert modifiers["formula"].split(" + ") == [trigger["name"] for trigger in each["spec"]["triggers"]]
        authentications = production.all("TriggerAuthentication")
        assert all(trigger["authenticationRef"]["name"] in authentications for trigger in each["spec"]["triggers"])


def test_proxies_wait_longer_than_the_api_is_silent(production: Rendered) -> None:
    (read_s,) = re.findall(r"proxy_read_timeout (\d+)s", (ROOT / "nginx.conf").read_text())
    for ingress in production.all("Ingress").values():
        annotations = ingress["metadata"]["annotations"]
        assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= int(read_s)
        assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"


def test_nginx_takes_its_configuration(rendered: Rendered, tmp_path: Path) -> None:
    data = rendered.one("ConfigMap", "hub-d")["data"]
    services = rendered.all("Service")
    (tmp_path / "hub.d").mkdir()
    for name, text in data.items():
        hosts = re.findall(r"^\s*server ([a-z][\w-]*):(\d+)", text, re.MULTILINE)
        assert all(services[host]["spec"]["ports"][0]["port"] == int(port) for host, port in hosts)
        here = re.sub(r"(?m)^(\s*server )[a-z][\w-]*:", r"\g<1>127.0.0.1:", text)
        (tmp_path / "hub.d" / name).write_text(here)
    (tmp_path / "nginx.conf").write_text((ROOT / "nginx.conf").read_text())
    checked = subprocess.run(
        [nginx_program(), "-t", "-p", f"{tmp_path}/", "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not here")
@pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=["base", "production"])
def test_kustomize_renders_the_same(folder: Path) -> None:
    printed = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True).stdout
    theirs = [each for each in yaml.safe_load_all(printed) if each is not None]
    assert sorted(map(_gist, theirs)) == sorted(map(_gist, render(folder)))


def _gist(manifest: Manifest) -> str:
    """All but what `rendering` leaves out: hashes, the namespace, added labels."""
    without = {key: value for key, value in manifest.items() if key != "metadata"}
    text = yaml.safe_dump({"name": manifest["metadata"]["name"], **without}, sort_keys=True)
    text = re.sub(r"(name: (?:hub-d|\w+-settings))-[a-z0-9]{10}\b", r"\1", text)
    return re.sub(r"(?m)^\s+app\.kubernetes\.io/part-of: .*\n", "", text)


def _named(folder: Path) -> Iterator[Path]:
    path = folder / "kustomization.yaml"
    yield path
    described = load(path)[0]
    for name in described["resources"]:
        if (folder / name).is_dir():
            yield from _named((folder / name).resolve())
        else:
            yield folder / name
    for generator in described.get("configMapGenerator", []):
        yield from (folder / name for name in [*generator.get("envs", []), *generator.get("files", [])])


def _pod(workload: Manifest) -> Manifest:
    spec = pod(workload)
    assert spec is not None
    return spec


def _with_workload(rendered: Rendered) -> Iterator[tuple[Manifest, Manifest]]:
    for workload in rendered.workloads:
        for container in _pod(workload)["containers"]:
            yield workload, container


def _found(tree: Any, key: str) -> Iterator[Any]:
    """Whatever stands under `key`, anywhere."""
    if isinstance(tree, dict):
        if key in tree:
            yield tree[key]
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from _found(each, key)


def _selectors(manifest: Manifest) -> Iterator[Manifest]:
    spec = manifest.get("spec", {})
    if manifest["kind"] == "Service":
        yield {"matchLabels": spec["selector"]}
    else:
        yield from (spec[key] for key in ("selector", "podSelector") if key in spec)
        yield from _found(spec, "labelSelector")
    if manifest["kind"] == "NetworkPolicy":
        for peers in (*_found(spec, "from"), *_found(spec, "to")):
            yield from (peer["podSelector"] for peer in peers if "podSelector" in peer)


def _fits(selector: Manifest, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )


def _routes() -> set[str]:
    return set(create_app(ApiSettings()).openapi()["paths"])


def _api(rendered: Rendered, container: Manifest) -> ApiSettings:
    return ApiSettings.model_validate(_values(rendered, container))


def _worker(rendered: Rendered, container: Manifest) -> WorkerSettings:
    return WorkerSettings.model_validate(_values(rendered, container))


def _values(rendered: Rendered, container: Manifest) -> dict[str, str]:
    return {name.lower(): value for name, value in rendered.environment(container).items() if value}


READ: Final[dict[str, Callable[[Rendered, Manifest], ApiSettings | WorkerSettings]]] = {"api": _api, "worker": _worker}
