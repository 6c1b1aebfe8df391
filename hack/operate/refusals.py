"""Finds the reason why Kubernetes makes no pod for a workload, such as an exceeded quota. No pod and no log has it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LASTING_SECONDS = 60.0
"""Age of a refusal that will not pass by itself. In this time an ending pod would have made room."""
BETWEEN_SECONDS = 5.0


def refusal(workload: Any, events: list[Any]) -> str | None:
    """The reason why a Deployment or StatefulSet lacks a pod; None if it has all, or if Kubernetes gives no reason."""
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
    """The current refusals of an instance, with the time since when each lasts."""

    def __init__(self, ask: Callable[[], dict[str, str]], lasting: float = LASTING_SECONDS) -> None:
        self._ask = ask
        self._lasting = lasting
        self._asked = float("-inf")
        self._found: dict[str, str] = {}
        self._since: dict[str, float] = {}

    def lasting(self) -> list[str]:
        """The refusals that have lasted for long, a line each."""
        now = time.monotonic()
        if now - self._asked >= BETWEEN_SECONDS:
            self._asked, self._found = now, self._ask()
            self._since = {name: self._since.get(name, now) for name in self._found}
        return [f"{name}: {self._found[name]}" for name, since in self._since.items() if now - since >= self._lasting]

    def said(self) -> list[str]:
        """All current refusals, without repetitions."""
        return sorted(set(self._found.values()))
