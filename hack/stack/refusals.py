"""Pods that Kubernetes refuses to make, as when a quota is exceeded: no pod and no log tells of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LASTING_SECONDS = 60.0
"""A refusal of this age does not pass by itself: a pod that leaves would have made room."""
BETWEEN_SECONDS = 5.0


def refusal(workload: Any, events: list[Any]) -> str | None:  # noqa: ANN401 - JSON
    """Why a Deployment or StatefulSet does not get a pod that it wants; None when it has them all, or nobody says."""
    status = workload["status"]
    for condition in status.get("conditions", ()):
        if (condition["type"], condition["status"]) == ("ReplicaFailure", "True"):
            return str(condition["message"])
    if workload["kind"] != "StatefulSet" or status.get("replicas", 0) >= workload["spec"]["replicas"]:
        return None
    messages = [
        event["message"]
        for event in sorted(events, key=lambda event: str(event.get("lastTimestamp") or ""))
        if event["reason"] == "FailedCreate" and event["involvedObject"].get("uid") == workload["metadata"]["uid"]
    ]
    return messages[-1] if messages else None


class Refusals:
    """What stands against an instance's pods, asked now and then."""

    def __init__(self, ask: Callable[[], dict[str, str]], lasting: float = LASTING_SECONDS) -> None:
        self._ask = ask
        self._lasting = lasting
        self._asked = float("-inf")
        self._found: dict[str, str] = {}
        self._since: dict[str, float] = {}

    def lasting(self) -> list[str]:
        """Those that have stood for long, a line each."""
        now = time.monotonic()
        if now - self._asked >= BETWEEN_SECONDS:
            self._asked, self._found = now, self._ask()
            self._since = {name: self._since.get(name, now) for name in self._found}
        return [f"{name}: {self._found[name]}" for name, since in self._since.items() if now - since >= self._lasting]

    def said(self) -> list[str]:
        """What Kubernetes says at the moment, each once."""
        return sorted(set(self._found.values()))
