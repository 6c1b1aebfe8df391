"""The overlay to write: collects the results of all rows, and writes the files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from hack.operate.helm import ours, patches
from hack.operate.helm.patches import OF_COMPONENTS, dump

if TYPE_CHECKING:
    from pathlib import Path

Object = dict[str, Any]
STATEFUL = {"worker", "triggerer", "postgres", "rabbitmq", "redis", "gitsync"}


@dataclass
class Overlay:
    """Collects the wanted changes. `write` makes files of them."""

    name: str
    namespace: str
    base: Path
    components: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    database: dict[str, str] = field(default_factory=dict)
    broker: dict[str, str] = field(default_factory=dict)
    images: list[Object] = field(default_factory=list)
    workloads: dict[str, Object] = field(default_factory=dict)
    """Patches by the name of the workload. The empty name stands for every pod of Airflow."""
    operations: dict[str, list[Object]] = field(default_factory=dict)
    """JSON patches by the kind of the object, one of OF_COMPONENTS."""
    everywhere: Object = field(default_factory=dict)
    """Fields of every pod of the instance, PostgreSQL's, the broker's and gitsync's too."""
    environment_from: list[Object] = field(default_factory=list)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Annotations of service accounts to make, by the name of the workload."""
    services: dict[str, Object] = field(default_factory=dict)
    claims: dict[str, dict[str, str]] = field(default_factory=dict)
    """Size and class of the volumes of databases, by the name of the StatefulSet."""
    files: dict[str, str] = field(default_factory=dict)
    """Files for the api-server, which come into the ConfigMap `webserver`."""
    retention: int = 0
    """Days for which files of logs stay; 0 leaves it to the component `log-groomer`."""
    source: Object = field(default_factory=lambda: {"name": "dags", "ref": "main"})
    connections: dict[str, Object] = field(
        default_factory=lambda: {f"{each}.yaml": {} for each in ("connections", "variables", "pools")}
    )
    without_git: bool = False
    from_bundle: bool = False
    """A bundle of Airflow's own names the repository."""
    logs_claim: Object = field(default_factory=dict)
    """Size and class of the volume of logs."""
    secrets: set[str] = field(default_factory=set)
    hand: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    kustomization: Object = field(default_factory=dict)

    def __post_init__(self) -> None:
        label = {"pairs": {"kube-airflow/instance": self.name}, "includeSelectors": True}
        self.kustomization = {"labels": [label]}

    def component(self, name: str) -> None:
        """Choose a component. `settle` decides between components that exclude each other."""
        if not (self.base / "components" / name).is_dir():
            self.by_hand(f"component {name} is not in this checkout")
        elif name not in self.components:
            self.components.append(name)

    def settle(self) -> None:
        """Drop components that another chosen one excludes. Executors and external services count first."""
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
        """Set one field of a component's object. The object may have the field already."""
        self.operations.setdefault(kind, []).append({"op": "add", "path": path, "value": value})

    def write(self, directory: Path) -> None:
        """Write all files into the new folder ``directory``."""
        directory.mkdir(parents=True)
        up = os.path.relpath(self.base.resolve(), directory.resolve())
        values = ["values"] if self._write_values(directory / "values") else []
        content = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": self.namespace,
            "namePrefix": f"{self.name}-",
            "resources": [up, *(["accounts.yaml"] if self.accounts else [])],
            "components": [*(f"{up}/components/{each}" for each in sorted(self.components)), *values],
            **self.kustomization,
            "images": self.images,
            "configMapGenerator": self._maps(directory),
            "patches": patches.write(self, directory),
        }
        dump(directory / "kustomization.yaml", {key: value for key, value in content.items() if value})
        dump(directory / "gitsync.yaml", self._gitsync())
        if "persistent-logs" in self.components:
            dump(directory / "logs-claim.yaml", self._claim())
        if self.accounts:
            (directory / "accounts.yaml").write_text(yaml.safe_dump_all(self._accounts(), sort_keys=False))

    def _maps(self, directory: Path) -> list[Object]:
        """The ConfigMaps of the overlay itself, with their files."""
        for name, text in self.files.items():
            (directory / name).write_text(text)
        own = [{"name": "webserver", "files": list(self.files)}] if self.files else []
        return [{"name": "gitsync-config", "behavior": "replace", "files": ["gitsync.yaml"]}, *own]

    def _accounts(self) -> list[Object]:
        head = {"apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": False}
        return [{**head, "metadata": {"name": name, "annotations": given}} for name, given in self.accounts.items()]

    def _claim(self) -> Object:
        """The claim that the component `persistent-logs` names. It is applied by hand, and outlives the overlay."""
        spec: Object = {"accessModes": ["ReadWriteMany"], **self.logs_claim.get("class", {})}
        spec["resources"] = {"requests": {"storage": self.logs_claim.get("size", "100Gi")}}
        metadata = {"name": f"{self.name}-logs", "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}

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
            dump(directory / name, self.connections[name])
        maps = [_merge(name, [f"{name}.env"]) for name in self._settings_by_map()]
        maps += [_merge("hosts", sorted(given & {"database.env", "broker.env"}))]
        maps += [_merge("migrate", sorted(given & {"database.env"}), declared)]
        head = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
        kept = [each for each in maps if each.keys() & {"envs", "files"}]
        dump(directory / "kustomization.yaml", {**head, "configMapGenerator": kept})
        return True

    def _settings_by_map(self) -> dict[str, dict[str, str]]:
        """The settings by ConfigMap. A tier's own ConfigMap is read after the one for all tiers."""
        owners: dict[str, list[str]] = {}
        for kustomization in sorted(self.base.glob("*/kustomization.yaml")):
            for generator in ours.document(kustomization).get("configMapGenerator", []):
                for file in generator.get("envs", []):
                    for line in (kustomization.parent / file).read_text().splitlines():
                        owners.setdefault(line.partition("=")[0], []).append(generator["name"])
        found: dict[str, dict[str, str]] = {}
        for name, value in self.settings.items():
            for owner in owners.get(name, ["airflow"]):
                found.setdefault(owner, {})[name] = value
        return found

    def _gitsync(self) -> Object:
        given = {"name": "dags"} if self.without_git and not self.from_bundle else self.source
        source = {"repo": "https://git.example.org/team/dags.git", **given}
        database = {"host": "${POSTGRES_HOST}", "password_file": "/etc/gitsync/database/password"}
        if "POSTGRES_PORT" in self.database:
            database["port"] = "${POSTGRES_PORT}"
        if "POSTGRES_AIRFLOW_DATABASE" in self.database:
            database["name"] = "${POSTGRES_AIRFLOW_DATABASE}"
        return {"sources": [source], "database": database}


def _merge(name: str, envs: list[str], files: list[str] | None = None) -> Object:
    """The entries for ConfigMaps of the base. Kustomize allows each ConfigMap only once."""
    what = {"envs": envs, "files": files}
    return {"name": name, "behavior": "merge", **{key: value for key, value in what.items() if value}}


def choices(base: Path, component: str) -> set[str]:
    """The sentences by which a component excludes others. Components with a common sentence exclude each other."""
    file = base / "components" / component / "choice.yaml"
    return {each["metadata"]["name"] for each in ours.documents(file)} if file.exists() else set()
