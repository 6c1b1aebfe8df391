"""The overlay that is being written."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]
OF_COMPONENTS = {
    "HorizontalPodAutoscaler": ("autoscaling-hpa", "worker"),
    "Ingress": ("ingress", "airflow"),
    "ScaledObject": ("autoscaling-keda", "worker"),
}
"""Kinds of which one component has one object, and its name."""
STATEFUL = {"worker", "triggerer", "postgres", "rabbitmq", "redis", "gitsync"}


@dataclass
class Overlay:
    """Collects what the values ask for; ``write`` makes files of it."""

    name: str
    namespace: str
    base: Path
    components: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    database: dict[str, str] = field(default_factory=dict)
    broker: dict[str, str] = field(default_factory=dict)
    images: list[Object] = field(default_factory=list)
    workloads: dict[str, Object] = field(default_factory=dict)
    """Patches by the name of the workload; the empty name is every pod of Airflow's."""
    operations: dict[str, list[Object]] = field(default_factory=dict)
    """JSON patches by the kind of the object, one of OF_COMPONENTS."""
    source: Object = field(default_factory=lambda: {"name": "dags", "ref": "main"})
    connections: dict[str, Object] = field(
        default_factory=lambda: {f"{each}.yaml": {} for each in ("connections", "variables", "pools")}
    )
    without_git: bool = False
    secrets: set[str] = field(default_factory=set)
    hand: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    kustomization: Object = field(default_factory=dict)

    def __post_init__(self) -> None:
        label = {"pairs": {"kube-airflow/instance": self.name}, "includeSelectors": True}
        self.kustomization = {"labels": [label]}

    def component(self, name: str) -> None:
        """Choose a component; the one that excludes it and was asked for by a stronger word stays."""
        if not (self.base / "components" / name).is_dir():
            self.by_hand(f"component {name} is not in this checkout")
        elif name not in self.components:
            self.components.append(name)

    def settle(self) -> None:
        """Drop what another chosen component excludes: an executor and what is external speak first."""
        kept: list[str] = []
        for name in sorted(self.components, key=lambda each: (not each.startswith(("executor-", "external-")), each)):
            clash = [other for other in kept if choices(self.base, name) & choices(self.base, other)]
            if clash:
                self.by_hand(f"component {name} is left out, because {clash[0]} excludes it")
            else:
                kept.append(name)
        self.components = kept
        for kind in [each for each in self.operations if OF_COMPONENTS[each][0] not in kept]:
            del self.operations[kind]
            self.leave(f"fields of the {kind}: the component {OF_COMPONENTS[kind][0]} is not chosen")
        counted = [name for name in kept if name.startswith(("autoscaling-", "executor-"))]
        if counted and self.workloads.get("worker", {}).get("spec", {}).pop("replicas", None) is not None:
            self.by_hand(f"the number of workers is left out, because it is for {counted[0]} to say")

    def by_hand(self, sentence: str) -> None:
        if sentence not in self.hand:
            self.hand.append(sentence)

    def leave(self, sentence: str) -> None:
        self.left.append(sentence)

    def workload(self, name: str) -> Object:
        kind = "StatefulSet" if name in STATEFUL else "Deployment"
        empty = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name or "any"}, "spec": {}}
        return self.workloads.setdefault(name, empty)

    def pod(self, name: str) -> Object:
        template: Object = self.workload(name)["spec"].setdefault("template", {})
        pod: Object = template.setdefault("spec", {})
        return pod

    def container(self, name: str, called: str) -> Object:
        (found,) = self.pod(name).setdefault("containers", [{"name": called}])
        container: Object = found
        return container

    def annotations(self, name: str) -> Object:
        template: Object = self.workload(name)["spec"].setdefault("template", {})
        found: Object = template.setdefault("metadata", {}).setdefault("annotations", {})
        return found

    def operation(self, kind: str, path: str, value: object) -> None:
        """Have one field of a component's object; it may be there already."""
        self.operations.setdefault(kind, []).append({"op": "add", "path": path, "value": value})

    def write(self, directory: Path) -> None:
        """Write all files into ``directory``, which is not there yet."""
        directory.mkdir(parents=True)
        up = os.path.relpath(self.base.resolve(), directory.resolve())
        values = ["values"] if self._write_values(directory / "values") else []
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": self.namespace,
            "namePrefix": f"{self.name}-",
            "resources": [up],
            "components": [*(f"{up}/components/{each}" for each in sorted(self.components)), *values],
            **self.kustomization,
            "images": self.images,
            "configMapGenerator": [{"name": "gitsync-config", "behavior": "replace", "files": ["gitsync.yaml"]}],
            "patches": self._patches(directory),
        }
        _dump(directory / "kustomization.yaml", {key: value for key, value in content.items() if value})
        _dump(directory / "gitsync.yaml", self._gitsync())

    def _write_values(self, directory: Path) -> bool:
        """A component, and the last: Kustomize adds what components say to what the overlay itself generates.

        False: there is nothing to say, and Kustomize takes no component that says nothing.
        """
        files = {f"{name}.env": content for name, content in self._settings_by_map().items()}
        files |= {"database.env": self.database, "broker.env": self.broker}
        given = {name for name, content in files.items() if content}
        declared = [name for name, content in self.connections.items() if content]
        if not (given or declared):
            return False
        directory.mkdir()
        for name in given:
            lines = (f"{key}={value}\n" for key, value in sorted(files[name].items()))
            (directory / name).write_text("".join(lines))
        for name in declared:
            _dump(directory / name, self.connections[name])
        maps = [_merge(name, [f"{name}.env"]) for name in self._settings_by_map()]
        maps += [_merge("hosts", sorted(given & {"database.env", "broker.env"}))]
        maps += [_merge("migrate", sorted(given & {"database.env"}), declared)]
        head = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
        kept = [each for each in maps if each.keys() & {"envs", "files"}]
        _dump(directory / "kustomization.yaml", {**head, "configMapGenerator": kept})
        return True

    def _settings_by_map(self) -> dict[str, dict[str, str]]:
        """The settings by the ConfigMap they go to: what a tier's own file has is read after what is for all."""
        owners: dict[str, list[str]] = {}
        for kustomization in sorted(self.base.glob("*/kustomization.yaml")):
            for generator in yaml.safe_load(kustomization.read_text()).get("configMapGenerator", []):
                for file in generator.get("envs", []):
                    for line in (kustomization.parent / file).read_text().splitlines():
                        owners.setdefault(line.partition("=")[0], []).append(generator["name"])
        found: dict[str, dict[str, str]] = {}
        for name, value in self.settings.items():
            for owner in owners.get(name, ["airflow"]):
                found.setdefault(owner, {})[name] = value
        return found

    def _patches(self, directory: Path) -> list[Object]:
        patches = []
        for name, patch in self.workloads.items():
            file = f"{name or 'airflow-pods'}.yaml"
            _dump(directory / file, patch)
            target = {"kind": patch["kind"], "name": name}
            every = {"kind": "Deployment|StatefulSet", "labelSelector": "app.kubernetes.io/name=airflow"}
            patches.append({"path": file, "target": target if name else every})
        for kind, operations in self.operations.items():
            file = f"{kind.lower()}.yaml"
            _dump(directory / file, operations)
            patches.append({"path": file, "target": {"kind": kind, "name": OF_COMPONENTS[kind][1]}})
        return patches

    def _gitsync(self) -> Object:
        given = {"name": "dags"} if self.without_git else self.source
        source = {"repo": "https://git.example.org/team/dags.git", **given}
        database = {"host": "${POSTGRES_HOST}", "password_file": "/etc/gitsync/database/password"}
        if "POSTGRES_PORT" in self.database:
            database["port"] = "${POSTGRES_PORT}"
        if "POSTGRES_AIRFLOW_DATABASE" in self.database:
            database["name"] = "${POSTGRES_AIRFLOW_DATABASE}"
        return {"sources": [source], "database": database}


def _merge(name: str, envs: list[str], files: list[str] | None = None) -> Object:
    """What an overlay adds to a ConfigMap of the base; each may be named once only."""
    what = {"envs": envs, "files": files}
    return {"name": name, "behavior": "merge", **{key: value for key, value in what.items() if value}}


def choices(base: Path, component: str) -> set[str]:
    """The sentences under which a component excludes others."""
    file = base / "components" / component / "choice.yaml"
    return {each["metadata"]["name"] for each in yaml.safe_load_all(file.read_text())} if file.exists() else set()


def _dump(file: Path, content: Object | list[Object]) -> None:
    file.write_text(yaml.safe_dump(content, sort_keys=False, width=120))
