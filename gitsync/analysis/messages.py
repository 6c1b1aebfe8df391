"""The messages between the controller and the process that reads a commit, as JSON. Each field is checked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from gitsync.airflow.policy import TreePolicy
from gitsync.airflow.trace import Trace
from gitsync.impact.patterns import IgnoreSyntax
from gitsync.impact.side import Discovery
from gitsync.impact.touched import Touched
from gitsync.impact.way import Leg

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 64 << 10
"""Characters of one text: a path, or a sentence with some paths."""
_VERDICT = {"files", "why", "restart", "opaque", "ways", "dag_files", "unforeseen", "removed"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the analysis of one commit may cost. It is a process of its own. What is beyond a limit counts as changed
    with everything, or is refused."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    memory: int = 256
    """MiB of the process. The controller's container needs as much beside its own memory."""
    cpu: int = 10
    """Seconds of processor time for one step, such as reading one file."""
    total: float = 300.0
    """Seconds for the whole analysis of a commit, begun again for each file that is beyond a limit."""

    def __post_init__(self) -> None:
        if self.memory < 64 or self.cpu < 1 or self.total <= 0:  # Python alone takes about 30 MiB
            raise ValueError("memory must be 64 or more, cpu 1 or more, and total above 0")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One analysis."""

    parent: int
    """The process id of the controller; the analysis ends with it."""
    repository: str
    """The directory of the mirror, in which both revisions are exported."""
    timeout: float
    """Seconds for one Git command."""
    revision: str
    base: str | None
    """The revision to compare with, or None."""
    subdirectory: str
    policy: TreePolicy | None
    """The policy to check, or None."""
    discovery: Discovery
    facts: str
    """The directory of the cache."""
    limits: Limits
    beyond: Mapping[str, str] = field(default_factory=dict)
    """Files that must not be read, by blob, each with the reason."""
    traces: Mapping[str, Trace] = field(default_factory=dict)
    """The traces of DAG files of ``base``, by their paths in the DAG folder."""

    def as_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, text: bytes) -> Request:
        """The request that `as_json` has made."""
        given = json.loads(text)
        policy = given.pop("policy")
        if policy is not None:
            policy = TreePolicy(**{**policy, "refused_names": tuple(policy["refused_names"])})
        traces = {name: Trace.of(trace) for name, trace in given.pop("traces").items()}
        found = given.pop("discovery")
        discovery = Discovery(**{**found, "ignore_syntax": IgnoreSyntax(found["ignore_syntax"])})
        return cls(policy=policy, discovery=discovery, limits=Limits(**given.pop("limits")), traces=traces, **given)


@dataclass(frozen=True)
class Verdict:
    """The answer: the revision keeps the policy, and its impact is known."""

    touched: Touched
    removed: frozenset[str] = frozenset()
    """Files that only the base has, as paths in the DAG folder."""

    def as_json(self) -> dict[str, Any]:
        touched = self.touched
        return {
            "files": None if touched.files is None else sorted(touched.files),
            "why": touched.why[:LONGEST_TEXT],
            "restart": dict(touched.restart),
            "opaque": dict(touched.opaque),
            "ways": {name: [list(leg) for leg in way] for name, way in touched.ways.items()},
            "dag_files": sorted(touched.dag_files),
            "unforeseen": dict(touched.unforeseen),
            "removed": sorted(self.removed),
        }

    @classmethod
    def of(cls, given: Any) -> Verdict:  # noqa: ANN401 - whatever JSON holds
        """A verdict from JSON. Raises ValueError for what is none."""
        if not isinstance(given, dict) or given.keys() != _VERDICT:
            raise ValueError("not the fields of a verdict")
        files = None if given["files"] is None else frozenset(_texts(given["files"]))
        dag_files = frozenset(_texts(given["dag_files"]))
        touched = Touched(
            files, text(given["why"]), _by_text(given["restart"]), _by_text(given["opaque"]), _ways(given["ways"]),
            dag_files, _by_text(given["unforeseen"]),
        )  # fmt: skip
        return cls(touched, frozenset(_texts(given["removed"])))


def text(given: object) -> str:
    """``given``, if it is a text of a possible length. Raises ValueError."""
    if not isinstance(given, str) or len(given) > LONGEST_TEXT:
        raise ValueError(f"not a text of at most {LONGEST_TEXT} characters")
    return given


def _texts(given: object) -> list[str]:
    if not isinstance(given, list):
        raise ValueError("not a list of texts")
    return [text(item) for item in given]


def _ways(given: object) -> dict[str, tuple[Leg, ...]]:
    if not isinstance(given, dict):
        raise ValueError("not ways by text")
    return {text(name): tuple(map(_leg, way)) for name, way in given.items() if way}


def _leg(given: object) -> Leg:
    if not isinstance(given, list) or len(given) != len(Leg._fields) or not isinstance(given[1], int):
        raise ValueError("not a step of a way")
    user, line, how, path = given
    return Leg(text(user), line, text(how), text(path))


def _by_text(given: object) -> dict[str, str]:
    if not isinstance(given, dict):
        raise ValueError("not texts by text")
    return {text(key): text(value) for key, value in given.items()}
