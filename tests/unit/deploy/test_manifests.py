"""deploy/kubernetes against itself: names, selectors, ports, volumes."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.deploy.programs import pod_of, with_workload
from tests.unit.deploy.rendering import (
    BASE,
    KUBERNETES,
    PRODUCTION,
    Manifest,
    Rendered,
    containers,
    found_under,
    load,
    render,
)


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
            port["name"] for container in pod_of(workload)["containers"] for port in container.get("ports", [])
        }
        for workload in rendered.workloads
    }
    for service in rendered.all("Service").values():
        name = service["spec"]["selector"]["app.kubernetes.io/name"]
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports[name]
    for workload, container in with_workload(rendered):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            http = container.get(probe, {}).get("httpGet")
            assert http is None or http["port"] in ports[workload["metadata"]["name"]]
    for ingress in rendered.all("Ingress").values():
        for backend in found_under(ingress, "service"):
            service = rendered.one("Service", backend["name"])
            assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_volumes_and_config_maps_exist(rendered: Rendered) -> None:
    for workload in rendered.workloads:
        spec = pod_of(workload)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in spec["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes.keys()
        for volume in volumes.values():
            assert "configMap" not in volume or volume["configMap"]["name"] in rendered.all("ConfigMap")


def test_production_names_one_release(production: Rendered) -> None:
    tags = {container["image"].partition(":")[2] for container in containers(production.manifests)}
    (tag,) = tags
    assert tag not in {"", "latest"}
    assert list(production.all("Job")) == [f"migrate-{tag.replace('.', '-')}"]


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


def _selectors(manifest: Manifest) -> Iterator[Manifest]:
    spec = manifest.get("spec", {})
    if manifest["kind"] == "Service":
        yield {"matchLabels": spec["selector"]}
    else:
        yield from (spec[key] for key in ("selector", "podSelector") if key in spec)
        yield from found_under(spec, "labelSelector")
    if manifest["kind"] == "NetworkPolicy":
        for peers in (*found_under(spec, "from"), *found_under(spec, "to")):
            yield from (peer["podSelector"] for peer in peers if "podSelector" in peer)


def _fits(selector: Manifest, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
