"""The selectors in a build: each matches a pod, or a Service, of the build, unless it means something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.operate.check.built import called, carefully, namespace
from hack.operate.overlay import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hack.operate.check.built import Build, Pod
    from hack.operate.overlay import Object

Labels = dict[str, str]
OWN = ("app.kubernetes.io/", "kube-airflow/")
"""Labels of the stack. Selectors with these alone may name a tier that the overlay lacks: they allow nothing."""
TIERS = {"airflow", "gitsync", "pgbouncer", "postgres", "rabbitmq", "redis", "statsd"}
"""The names of the stack's pods, which all have the instance's label."""
EXPRESSION = "`includeSelectors` gives every matchLabels the label {label}: write matchExpressions for pods of others"


def faults(build: Build) -> Iterator[str]:
    """Yield a sentence for each selector that matches nothing, and its cure."""
    for found in build.objects:
        if rule := OF_KIND.get(found["kind"]):
            yield from carefully(found, rule(build, found))
    yield from _without_instance(build)
    for pod in build.pods:
        yield from carefully(pod.owner, _of_affinity(build, pod))


def _of_affinity(build: Build, pod: Pod) -> Iterator[str]:
    for term in _affinities(pod.spec.get("affinity") or {}):
        if _foreign(term) and not _pods(build, namespace(pod.owner), term):
            yield f"{called(pod.owner)}: an affinity to pods {_shown(term)} matches none: {_expression()}"


def _without_instance(build: Build) -> Iterator[str]:
    """Yield pods of the stack that lack the instance's label: no policy and no command would mean them."""
    instances = {pod.labels[INSTANCE] for pod in build.pods if INSTANCE in pod.labels}
    for pod in build.pods:
        if instances and INSTANCE not in pod.labels and pod.labels.get("app.kubernetes.io/name") in TIERS:
            label = f"labels: [{{pairs: {{{INSTANCE}: {min(instances)}}}, includeSelectors: true}}]"
            yield (
                f"{called(pod.owner)}: its pods lack the label {INSTANCE}: list the component in the overlay that "
                f"sets the label, or write `{label}` here"
            )


def _of_service(build: Build, found: Object) -> Iterator[str]:
    selector = (found.get("spec") or {}).get("selector")
    if selector:
        yield from _of_chooser(build, found, {"matchLabels": selector})


def _of_budget(build: Build, found: Object) -> Iterator[str]:
    yield from _of_chooser(build, found, found["spec"].get("selector") or {})


def _of_chooser(build: Build, found: Object, selector: Object) -> Iterator[str]:
    if not _pods(build, namespace(found), selector):
        yield f"{called(found)}: selects no pod of the build: remove it with its workload, or mend its selector"


def _of_monitor(build: Build, found: Object) -> Iterator[str]:
    selector = found["spec"].get("selector") or {}
    if found["kind"] == "PodMonitor":
        matched = bool(_pods(build, namespace(found), selector))
    else:
        services = (each["metadata"].get("labels") or {} for each in build.of_kind("Service"))
        matched = any(matches(selector, each) for each in services)
    if not matched and _foreign(selector):
        yield f"{called(found)}: its selector {_shown(selector)} matches nothing in the build: mend it"


def _of_policy(build: Build, found: Object) -> Iterator[str]:
    spec = found.get("spec") or {}
    subject = spec.get("podSelector") or {}
    if _foreign(subject) and not _pods(build, namespace(found), subject):
        yield f"{called(found)}: its podSelector {_shown(subject)} matches no pod of the build: mend it"
    rules = [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]
    for peer in (each for rule in rules for each in (*(rule.get("from") or ()), *(rule.get("to") or ()))):
        selector = peer.get("podSelector") or {}
        elsewhere = "namespaceSelector" in peer
        others = INSTANCE in (selector.get("matchLabels") or {}) and (elsewhere or _foreign(selector))
        if others and not _pods(build, None if elsewhere else namespace(found), selector):
            yield f"{called(found)}: a podSelector {_shown(selector)} matches no pod: {_expression()}"


def _pods(build: Build, where: str | None, selector: Object) -> list[Labels]:
    """Return the labels of the pods that a selector chooses. ``where`` None: in any namespace."""
    pods = (each for each in build.pods if where is None or namespace(each.owner) == where)
    return [each.labels for each in pods if matches(selector, each.labels)]


def matches(selector: Object, labels: Labels) -> bool:
    """Return whether a label selector of Kubernetes matches these labels. An empty one matches everything."""
    wanted: Labels = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(
        _expressed(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _expressed(expression: Object, labels: Labels) -> bool:
    value = labels.get(expression["key"])
    values = expression.get("values") or ()
    return {
        "In": value is not None and value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def _foreign(selector: Object) -> bool:
    """Return whether a selector has a label that is not of the stack."""
    return any(not key.startswith(OWN) for key in selector.get("matchLabels") or {})


def _affinities(affinity: Object) -> Iterator[Object]:
    for field in ("podAffinity", "podAntiAffinity"):
        terms: Iterable[Any] = (term for each in (affinity.get(field) or {}).values() for term in each)
        for term in terms:
            selector = (term.get("podAffinityTerm") or term).get("labelSelector") or {}
            if INSTANCE in (selector.get("matchLabels") or {}):
                yield selector


def _shown(selector: Object) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items()))


def _expression() -> str:
    return EXPRESSION.format(label=INSTANCE)


OF_KIND = {
    "NetworkPolicy": _of_policy,
    "PodDisruptionBudget": _of_budget,
    "PodMonitor": _of_monitor,
    "Service": _of_service,
    "ServiceMonitor": _of_monitor,
}
"""The rule of each kind."""
