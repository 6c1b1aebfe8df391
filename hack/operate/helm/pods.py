"""The actions of table rows on pods: places, resources, volumes, accounts, and where variables come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.operate.helm import secretive, shapes
from hack.operate.helm.outcome import ByHand, NoEffect

if TYPE_CHECKING:
    from hack.operate.helm.overlay import Overlay

Value = Any
EVERYWHERE = ("nodeSelector", "tolerations")
"""Fields that hold for each pod of the instance, not for Airflow's alone: all of them need a node."""
STACKS = {
    "config", "dags", "data", "database", "executor-kubernetes", "gitsync-tmp", "gitsync-token", "home", "kubernetes",
    "log-groomer", "log-groomer-tmp", "logs", "oidc", "oidc-secret", "repository", "run", "scripts", "secrets", "tmp",
}  # fmt: skip
"""Volumes that pods of the stack have. Two sources of one volume are refused by an API server."""
WITH_RIGHTS = ("api-server", "scheduler")
"""Tiers that have an account of their own in `executor-kubernetes`."""
OWN_PORTS = {"api-server": 8080, "flower": 5555}


def replicas(overlay: Overlay, value: Value, name: str) -> None:
    number = int(value)
    overlay.workload(name)["spec"]["replicas"] = number


def pod(overlay: Overlay, value: Value, name: str, field: str) -> None:
    overlay.pod(name)[field] = shapes.shaped(field, value)


def container(overlay: Overlay, value: Value, name: str, called: str) -> None:
    overlay.container(name, called)["resources"] = shapes.shaped("resources", value)


def pod_annotations(overlay: Overlay, value: Value, name: str) -> None:
    given = shapes.words(value)
    overlay.annotations(name).update(given)


def every_annotation(overlay: Overlay, value: Value) -> None:
    pod_annotations(overlay, value, "")


def every_pod(overlay: Overlay, value: Value, field: str) -> None:
    given = shapes.shaped(field, value)
    if field in EVERYWHERE:
        overlay.everywhere[field] = given
        return
    overlay.pod("")[field] = given
    if field == "affinity" and "nodeAffinity" in given:
        overlay.everywhere[field] = {"nodeAffinity": given["nodeAffinity"]}


def pull_secrets(overlay: Overlay, value: Value) -> None:
    """The name of a Secret, or a list of names."""
    names = [shapes.name(each) for each in ([value] if isinstance(value, str) else [each["name"] for each in value])]
    found = overlay.everywhere.setdefault("imagePullSecrets", [])
    found += [{"name": each} for each in names if {"name": each} not in found]


def volumes(overlay: Overlay, value: Value, name: str = "") -> None:
    given = shapes.shaped("volumes", value)
    found = overlay.pod(name).setdefault("volumes", [])
    found += [{**each, "name": _apart(each["name"])} for each in given]


def mounts(overlay: Overlay, value: Value, name: str = "") -> None:
    given = shapes.shaped("volumeMounts", value)
    found = overlay.container(name, "airflow").setdefault("volumeMounts", [])
    found += [{**each, "name": _apart(each["name"])} for each in given]


def _apart(name: str) -> str:
    return f"own-{name}" if name in STACKS else name


def environment_from(overlay: Overlay, value: Value) -> None:
    """Lists of variables of all pods of Airflow. The official chart has them as text. Only names are written."""
    if "{{" in str(value):
        raise ByHand("it is a template: add it by a patch, as docs/overlays.md shows")
    for each in shapes.listed(value):
        (kind,) = {"configMapRef", "secretRef"} & each.keys()
        found: dict[str, Any] = {
            "name": each[kind]["name"],
            **({"optional": True} if each[kind].get("optional") else {}),
        }
        prefix = {"prefix": str(each["prefix"])} if each.get("prefix") else {}
        overlay.environment_from.append({kind: found, **prefix})


def service_account(overlay: Overlay, value: Value, name: str = "") -> None:
    """Pods of Airflow have no account of their own, unless a cloud knows them by one, or one is there already."""
    called, annotations = value.get("name"), shapes.words(value.get("annotations") or {})
    made, own = value.get("create", True), name or "airflow"
    if not annotations and (made or not called):
        raise NoEffect("pods of Airflow need no account, unless tasks start pods: docs/overlays.md")
    if name in (*WITH_RIGHTS, "") and "executor-kubernetes" in overlay.components:
        raise ByHand("the component executor-kubernetes has accounts of its own: annotate these by a patch")
    if made:
        overlay.accounts[own] = annotations
        new = f"system:serviceaccount:{overlay.namespace}:{overlay.name}-{own}"
        overlay.by_hand(f"the account of {name or 'all pods'} is {new}: tell the cloud that trusts the old one")
    else:
        overlay.by_hand(f"the account {called} must be in the namespace {overlay.namespace}, for {name or 'all pods'}")
    overlay.pod(name)["serviceAccountName"] = own if made else called


def service(overlay: Overlay, value: Value, name: str) -> None:
    """The type and the annotations of a Service, and the port of nodes. A port of its own goes by hand."""
    kind, annotations = value.get("type", "ClusterIP"), shapes.words(value.get("annotations") or {})
    if secretive.looks(annotations) or "{{" in f"{kind}{annotations}":
        raise ValueError(name)
    own, ports = OWN_PORTS[name], value.get("ports") or []
    at_nodes = [each["nodePort"] for each in ports if isinstance(each, dict) and "nodePort" in each]
    if value.get("externalPort") not in (None, own) or any(_other(each, own) for each in ports):
        overlay.by_hand(f"the Service {overlay.name}-{name} listens on {own}, not on the port of the old one")
    if kind == "ClusterIP" and not annotations:
        raise NoEffect("the Service is of the type ClusterIP here, too")
    spec: dict[str, Any] = {"type": kind}
    spec |= {each: value[each] for each in ("loadBalancerIP", "loadBalancerSourceRanges") if value.get(each)}
    if at_nodes:
        spec["ports"] = [{"port": own, "nodePort": int(at_nodes[0])}]
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    overlay.services[name] = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _other(port: Value, own: int) -> bool:
    """If a port is not the stack's. A template is the chart's own default, which is the same."""
    number = str(port.get("port", own) if isinstance(port, dict) else port)
    return number != str(own) and "{{" not in number


OLD_WORDS = ("airflow.www", "SQL_ALCHEMY_CONN", "airflow.configuration import conf", "configuration as conf")
"""What files of settings for FAB had before Airflow 3, and what fails in it."""


def webserver_config(overlay: Overlay, value: Value) -> None:
    """A file of settings for Flask AppBuilder, which the api-server reads."""
    text = shapes.shaped("repo", value)
    if old := [each for each in OLD_WORDS if each in text]:
        raise ByHand(f"the file has {old[0]}, which is of Airflow 2: write it anew")
    overlay.files["webserver_config.py"] = text
    found, folder = overlay.container("api-server", "airflow"), "/etc/airflow/webserver"
    found.setdefault("env", []).append({"name": "AIRFLOW__FAB__CONFIG_FILE", "value": f"{folder}/webserver_config.py"})
    found.setdefault("volumeMounts", []).append({"name": "webserver", "mountPath": folder, "readOnly": True})
    pod = overlay.pod("api-server")
    pod.setdefault("volumes", []).append({"name": "webserver", "configMap": {"name": "webserver"}})
    overlay.by_hand("look at webserver_config.py before the first start: Airflow 3 has other modules than Airflow 2")


def groomer(overlay: Overlay, value: Value) -> None:
    """How long files of logs stay. The charts say it for each tier; here it is one setting, the longest."""
    if str(value.get("enabled", True)).lower() == "false":
        raise NoEffect("off there, and off here")
    overlay.component("log-groomer")
    days = [int(value["retentionDays"])] if value.get("retentionDays") else []
    days += [-(-int(value["retentionMinutes"]) // 1440)] if value.get("retentionMinutes") else []
    overlay.retention = max([overlay.retention, *days])
