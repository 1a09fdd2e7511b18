"""As much of kustomize as deploy/kubernetes uses: resources, ConfigMaps, images, patches, suffixes, selected labels.

Hashes of names and other added labels are left out: nothing here depends on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[3]
KUBERNETES: Final = ROOT / "deploy" / "kubernetes"
BASE: Final = KUBERNETES / "base"
PRODUCTION: Final = KUBERNETES / "overlays" / "production"
_KNOWN: Final = {
    "apiVersion",
    "kind",
    "namespace",
    "nameSuffix",
    "labels",
    "resources",
    "configMapGenerator",
    "images",
    "patches",
}

Manifest = dict[str, Any]


def render(folder: Path) -> list[Manifest]:
    """What `kubectl kustomize FOLDER` would print, as far as it is told above."""
    described = load(folder / "kustomization.yaml")[0]
    assert set(described) <= _KNOWN, "this renderer has to learn more"
    manifests = [each for name in described["resources"] for each in _resource(folder / name)]
    for generator in described.get("configMapGenerator", []):
        _generate(manifests, folder, generator)
    for image in described.get("images", []):
        for container in containers(manifests):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    for patch in described.get("patches", []):
        _patch(manifests, patch)
    for labels in described.get("labels", []):
        if labels.get("includeSelectors"):
            _label(manifests, labels["pairs"])
    for manifest in manifests:
        manifest["metadata"]["name"] += described.get("nameSuffix", "")
    return manifests


def load(path: Path) -> list[Manifest]:
    """The documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    """All containers, those that run first too."""
    for manifest in manifests:
        spec = pod(manifest)
        if spec is not None:
            yield from spec.get("initContainers", [])
            yield from spec["containers"]


def pod(manifest: Manifest) -> Manifest | None:
    """The pod that a manifest makes; None when it makes none."""
    template = manifest.get("spec", {}).get("template")
    return None if template is None else template["spec"]


def found_under(tree: Any, key: str) -> Iterator[Any]:
    """Whatever stands under `key`, anywhere."""
    if isinstance(tree, dict):
        if key in tree:
            yield tree[key]
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from found_under(each, key)


@dataclass(frozen=True)
class Rendered:
    """The manifests of a folder, by kind and name."""

    manifests: list[Manifest]

    def all(self, kind: str) -> dict[str, Manifest]:
        """By name."""
        return {each["metadata"]["name"]: each for each in self.manifests if each["kind"] == kind}

    def one(self, kind: str, name: str) -> Manifest:
        """Raises KeyError when there is none."""
        return self.all(kind)[name]

    @property
    def workloads(self) -> list[Manifest]:
        """Whatever makes pods."""
        return [each for each in self.manifests if pod(each) is not None]

    def environment(self, container: Manifest) -> dict[str, str | None]:
        """The variables of a container; None for those that are known in the cluster only."""
        found: dict[str, str | None] = {}
        for source in container.get("envFrom", []):
            found |= self.one("ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {each["name"]: each.get("value") for each in container.get("env", [])}


def _resource(path: Path) -> list[Manifest]:
    return render(path) if path.is_dir() else load(path)


def _generate(manifests: list[Manifest], folder: Path, generator: Manifest) -> None:
    lines = [line for name in generator.get("envs", []) for line in (folder / name).read_text().splitlines()]
    data = dict(line.split("=", 1) for line in [*lines, *generator.get("literals", [])])
    data |= {Path(name).name: (folder / name).read_text() for name in generator.get("files", [])}
    if generator.get("behavior") == "merge":
        Rendered(manifests).one("ConfigMap", generator["name"])["data"].update(data)
        return
    manifests.append(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data},
    )


def _patch(manifests: list[Manifest], patch: Manifest) -> None:
    target = patch["target"]
    patched = [each for each in manifests if _is_target(each, **target)]
    assert patched, f"{target} is nowhere"
    for manifest in patched:
        for step in yaml.safe_load(patch["patch"]):
            _step(manifest, **step)


def _is_target(manifest: Manifest, kind: str, name: str = ".*", labelSelector: str = "") -> bool:  # noqa: N803 - its name there
    wanted = dict(pair.split("=") for pair in filter(None, labelSelector.split(",")))
    metadata = manifest["metadata"]
    named = manifest["kind"] == kind and re.fullmatch(name, metadata["name"]) is not None
    return named and wanted.items() <= metadata.get("labels", {}).items()


def _label(manifests: list[Manifest], pairs: dict[str, str]) -> None:
    """Of what makes pods, and of what selects them."""
    for manifest in manifests:
        manifest["metadata"].setdefault("labels", {}).update(pairs)
        for selected in found_under(manifest, "matchLabels"):
            selected.update(pairs)
        if pod(manifest) is not None:
            manifest["spec"]["template"]["metadata"]["labels"].update(pairs)


def _step(manifest: Any, op: str, path: str, value: Any = None) -> None:
    """Of RFC 6902."""
    *way, last = path.strip("/").split("/")
    for name in way:
        manifest = manifest[int(name)] if isinstance(manifest, list) else manifest[name]
    if op == "remove":
        del manifest[last]
    elif op == "add" and isinstance(manifest, list):
        assert last == "-"
        manifest.append(value)
    else:
        assert op == "add" or last in manifest
        manifest[last] = value
