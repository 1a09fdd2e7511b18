"""Autoscalers, disruption budgets and the entrance of deploy/kubernetes, against the workloads that they are for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from local.servers import nginx_program
from tests.unit.deploy.programs import ours, worker_settings
from tests.unit.deploy.rendering import ROOT, Rendered
from worker.app import queue_of
from workloads.registry import load as load_kinds


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
            for kind in worker_settings(production, container).worker_kinds:
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
    slots = {worker_settings(production, c).worker_concurrency for _, c, p in ours(production) if p == "worker"}
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
