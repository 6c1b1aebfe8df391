"""Evaluates NetworkPolicies as Kubernetes' API describes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.manifests.stack import WORKLOADS, of_kind, tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.manifests.stack import Object


@dataclass(frozen=True)
class Flow:
    """A connection, from the side that opens it."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}:{self.port}/{self.protocol}"


@dataclass(frozen=True)
class Place:
    """Where a connection begins or ends: a pod, or an address outside of the cluster when it has no namespace."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str | None = None
    namespace_labels: Mapping[str, str] = field(default_factory=dict)


OUTSIDE = Place()


def pods(objects: Iterable[Object]) -> dict[str, Place]:
    """Return the pods of a build by tier."""
    return {
        tier(each): Place(each["spec"]["template"]["metadata"]["labels"], each["metadata"]["namespace"])
        for each in of_kind(objects, *WORKLOADS)
    }


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a selector chooses these labels; an empty one chooses all."""
    if selector.keys() - {"matchLabels", "matchExpressions"}:
        raise ValueError(f"not understood: {selector}")
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items() and all(fits(each, labels) for each in selector.get("matchExpressions", []))


def fits(expression: Object, labels: Mapping[str, str]) -> bool:
    """Return whether one of a selector's expressions is true for these labels."""
    key: str = expression["key"]
    operator: str = expression["operator"]
    if operator in ("Exists", "DoesNotExist"):
        return (key in labels) == (operator == "Exists")
    if operator not in ("In", "NotIn"):
        raise ValueError(f"not understood: {expression}")
    values: list[str] = expression["values"]
    return (labels.get(key) in values) == (operator == "In")


@dataclass(frozen=True)
class Network:
    """A cluster in which some policies are enforced.

    Plugins differ in whether an ipBlock that contains a pod's address means the pod: ``blocks_mean_pods``.
    """

    policies: tuple[Object, ...]
    blocks_mean_pods: bool = False

    def allows(self, source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
        """Return whether ``source`` can open a connection to ``target``: both sides have a say."""
        return self._egress(source, target, port, protocol) and self._ingress(source, target, port, protocol)

    def _egress(self, source: Place, target: Place, port: int, protocol: str) -> bool:
        rules = self._rules(source, "Egress")
        return rules is None or any(self._matches(each, "to", source, target, port, protocol) for each in rules)

    def _ingress(self, source: Place, target: Place, port: int, protocol: str) -> bool:
        rules = self._rules(target, "Ingress")
        return rules is None or any(self._matches(each, "from", target, source, port, protocol) for each in rules)

    def _rules(self, place: Place, direction: str) -> list[Object] | None:
        """Return what is allowed at a place in one direction; None if nothing is forbidden there."""
        policies = [
            each["spec"]
            for each in self.policies
            if each["metadata"]["namespace"] == place.namespace
            and selects(each["spec"]["podSelector"], place.labels)
            and direction in each["spec"]["policyTypes"]
        ]
        return [rule for each in policies for rule in each.get(direction.lower(), [])] if policies else None

    def _matches(self, rule: Object, side: str, own: Place, other: Place, port: int, protocol: str) -> bool:
        ports = [(each.get("protocol", "TCP"), each["port"]) for each in rule.get("ports", [])]
        if ports and (protocol, port) not in ports:
            return False
        return side not in rule or any(self._means(peer, own, other) for peer in rule[side])

    def _means(self, peer: Object, own: Place, other: Place) -> bool:
        if "ipBlock" in peer:
            return other.namespace is None or self.blocks_mean_pods
        if other.namespace is None or not selects(peer.get("podSelector", {}), other.labels):
            return False
        if "namespaceSelector" not in peer:
            return other.namespace == own.namespace
        return selects(peer["namespaceSelector"], other.namespace_labels)
