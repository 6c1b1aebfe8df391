"""What is wrong in a build: what `hack/kube-airflow check` finds, and containers without resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate.check import pods, references, selectors
from hack.operate.check.built import Build, called

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.manifests.stack import Object


def faults(objects: Iterable[Object]) -> list[str]:
    """Return a sentence for each fault."""
    build = Build(objects)
    found = (pods.faults(build), references.faults(build, (), None), selectors.faults(build))
    return [each for some in (*found, _without_resources(build)) for each in some]


def _without_resources(build: Build) -> Iterator[str]:
    for pod in build.pods:
        for container in pod.containers:
            resources = container.get("resources", {})
            if not (
                resources.get("requests", {}).keys() == {"cpu", "memory"} and "memory" in resources.get("limits", {})
            ):
                yield f"{called(pod.owner)}: {container['name']} has no requests and no limit of memory"
