"""Finds a chart's values in what people have: files laid over each other, umbrella charts, objects of GitOps tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hack.operate.errors import Failure
from hack.operate.helm import document, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Values = dict[str, Any]
CURE = "give what `helm get values RELEASE -o yaml` prints"
STANDARD_INPUT = Path("-")
PARTS = {
    "apiServer", "createUserJob", "dagProcessor", "dags", "data", "defaultAirflowRepository", "defaultAirflowTag",
    "externalDatabase", "flower", "images", "ingress", "logs", "pgbouncer", "postgresql", "redis", "scheduler",
    "statsd", "triggerer", "web", "webserver", "workers",
}  # fmt: skip
"""Top keys of both charts that tell them from a folder of other values."""
BITNAMI = {"auth", "commonLabels", "configuration", "diagnosticMode", "extraDeploy", "git", "loadExamples", "worker"}


def read(files: Sequence[Path]) -> Values:
    """The values of all files, the last counts, as with Helm's ``-f``. ``-`` is the standard input. Raises Failure."""
    found: Values = {}
    for file in files:
        found = laid_over(found, _one(document.documents(_content(file), str(file)), str(file)))
    return found


def laid_over(below: Values, above: Values) -> Values:
    """Merge mappings. Null removes a key, and a list replaces a list."""
    merged = {**below}
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            under = merged.get(key)
            merged[key] = laid_over(under if isinstance(under, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def _content(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from error


def _one(documents: list[Any], name: str) -> Values:
    """The one document, or the one object of several, that has values."""
    found = [values for each in documents for values in _unwrapped(each, name)]
    if not found:
        raise Failure(f"{name} has no values; {CURE}")
    if len(found) > 1:
        raise Failure(f"{name} has values of {len(found)} releases: keep one of them in a file of its own")
    return _below(found[0], name)


def _unwrapped(given: Any, name: str) -> Iterator[Values]:
    if not isinstance(given, dict):
        raise Failure(f"{name} has no values; {CURE}")
    kind = given.get("kind")
    if "apiVersion" in given and kind:
        yield from _of_object(given, str(kind), name)
    elif isinstance(given.get("releases"), list):
        raise Failure(f"{name} is a helmfile: {CURE}")
    elif {"helmCharts", "helmGlobals"} & given.keys():
        yield from _of_object(given, "Kustomization", name)
    else:
        yield given


def _of_object(given: Values, kind: str, name: str) -> Iterator[Values]:
    """The values in an object of Argo CD, Flux, k3s or Kustomize. Other objects have none."""
    spec = _mapping(given.get("spec"))
    if kind == "ApplicationSet":
        spec = _mapping(_mapping(spec.get("template")).get("spec"))
    if kind in ("Application", "ApplicationSet"):
        yield from _of_argo_cd(spec, name)
    elif kind == "HelmRelease":
        if spec.get("valuesFrom") and not spec.get("values"):
            raise Failure(f"{name} takes its values from other objects (valuesFrom): {CURE}")
        yield from [_mapping(spec.get("values"))] if spec.get("values") else []
    elif kind in ("HelmChart", "HelmChartConfig"):
        yield from _text(spec.get("valuesContent"), name)
    elif kind == "Kustomization":
        for chart in given.get("helmCharts") or []:
            yield from [_mapping(chart.get("valuesInline"))] if _mapping(chart).get("valuesInline") else []


def _of_argo_cd(spec: Values, name: str) -> Iterator[Values]:
    sources = spec.get("sources") or [spec.get("source")]
    helms = [_mapping(_mapping(each).get("helm")) for each in sources]
    for helm in helms:
        parts = [*_text(helm.get("values"), name)]
        parts += [helm["valuesObject"]] if isinstance(helm.get("valuesObject"), dict) else []
        if parts or helm.get("parameters"):
            whole = laid_over({}, parts[-1] if parts else {})
            for each in helm.get("parameters") or []:
                whole = laid_over(whole, _parameter(each, name))
            yield whole
        elif helm.get("valueFiles"):
            files = ", ".join(map(str, helm["valueFiles"]))
            raise Failure(f"{name} names files of values: give those, in their order ({files})")


def _parameter(given: Any, name: str) -> Values:
    path = str(_mapping(given).get("name", ""))
    if not path or "[" in path or "\\" in path:
        raise Failure(f"{name} has a parameter {path or 'without a name'}, which is no plain path: {CURE}")
    found: Any = given.get("value")
    for key in reversed(path.split(".")):
        found = {key: found}
    return _mapping(found)


def _text(given: Any, name: str) -> Iterator[Values]:
    """Values that an object has as text."""
    if isinstance(given, str):
        yield from (each for each in document.documents(given.encode(), name) if isinstance(each, dict))


def _mapping(given: Any) -> Values:
    return given if isinstance(given, dict) else {}


def _below(given: Values, name: str) -> Values:
    """The values of the chart, which an umbrella chart has below a key of its own."""
    if PARTS & given.keys():
        return _of_a_known_chart(given, name)
    charts = [key for key, value in given.items() if isinstance(value, dict) and _is_chart(value)]
    if len(charts) > 1:
        raise Failure(f"{name} has values of several charts, below {', '.join(charts)}: keep one of them in a file")
    return _of_a_known_chart(given[charts[0]] if charts else given, name)


def _is_chart(given: Values) -> bool:
    return bool(PARTS & given.keys()) and table.known(given) > 0


def _of_a_known_chart(given: Values, name: str) -> Values:
    if len(BITNAMI & given.keys()) > 1:
        keys = ", ".join(sorted(BITNAMI & given.keys()))
        raise Failure(
            f"{name} has values of Bitnami's chart ({keys}): from-helm reads those of {' and '.join(_charts())}"
        )
    if given and not table.known(given):
        raise Failure(f"{name} has no value of {' or '.join(_charts())}: {CURE}")
    return given


def _charts() -> list[str]:
    return list(table.CHARTS.values())
