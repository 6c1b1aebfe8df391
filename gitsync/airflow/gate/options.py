"""The gate's settings: the policy, and the limits on DAG code."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar


class GatePolicy(StrEnum):
    """The candidates that the gate refuses."""

    NO_WORSE = "no-worse"
    """Refuse a candidate that imports worse than the published revision."""
    STRICT = "strict"
    """Refuse a candidate with any error."""
    OFF = "off"
    """Refuse none."""


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """The check of a candidate's DAG files. Limits are for one DAG file, and for the check command. Airflow's own
    settings apply beside them."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    policy: GatePolicy = GatePolicy.NO_WORSE
    """``no-worse`` refuses a revision that imports worse than the published one: a new error, a DAG id in two files, a
    file without any DAG left, an import slower than Airflow's limit. Before the first publication it refuses nothing.
    ``strict`` refuses any error, duplicate id or slow import. ``off`` refuses nothing."""
    timeout: float = 60.0
    """Seconds for one DAG file. Airflow's own limit on an import, 30 s by default, ends it earlier, as an import
    error."""
    total: float = 300.0
    """Seconds for all DAG files of a revision together, and again for the check command."""
    parallel: int = 0
    """DAG files parsed at once; 0 is one for each processor of the gate."""
    cpu: int = 60
    """Seconds of processor time that one process may use."""
    memory: int = 512
    """MiB that one process may have resident. Airflow itself takes about 140 of them."""
    processes: int = 64
    """Processes that one DAG file may have at once."""
    file_size: int = 64
    """MiB that a file which DAG code writes may grow to."""
    variables: dict[str, str] = field(default_factory=dict)
    """Values by key, for the Variables that DAG files read at import. Without one the import fails with Airflow's own
    error. They are not secret: DAG code sees them."""
    connections: dict[str, str] = field(default_factory=dict)
    """The same for Connections, by id: a URI or Airflow's JSON."""
    check: tuple[str, ...] = ()
    """The repository's own check, such as ``[pytest, -q, tests]``. It runs in the root of a candidate that has passed,
    which it cannot write to."""
    confine: bool = True
    """``true`` parses nothing where the kernel has no seccomp filter to keep DAG code off the network. ``false`` parses
    all the same, and says so."""

    def __post_init__(self) -> None:
        for name in ("timeout", "total", "cpu", "memory", "processes", "file_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"gate {name} must be more than 0")
        if self.parallel < 0:
            raise ValueError("gate parallel must be 0 (one for each processor) or more")
        for name in (*self.variables, *self.connections):
            if not re.fullmatch(r"[\w.-]+", name):
                raise ValueError(
                    f"gate variable or connection {name!r} must consist of letters, digits, '_', '.' and '-'"
                )

    @property
    def asks(self) -> bool:
        """Whether a candidate must be sent to the gate at all."""
        return self.policy is not GatePolicy.OFF or bool(self.check)

    @classmethod
    def of(cls, given: dict[str, Any]) -> GateOptions:
        """Make options from JSON. Raises TypeError for an unknown key and ValueError for a wrong value."""
        policy = given.get("policy", GatePolicy.NO_WORSE)
        if policy not in {*map(str, GatePolicy)}:
            raise ValueError(f"gate policy {policy!r} is unknown: use {', '.join(GatePolicy)}")
        return cls(**{**given, "policy": GatePolicy(policy), "check": tuple(given.get("check", ()))})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def environment(self) -> dict[str, str]:
        """The environment variables from which Airflow reads ``variables`` and ``connections``."""
        variables = {f"AIRFLOW_VAR_{name.upper()}": value for name, value in self.variables.items()}
        return variables | {f"AIRFLOW_CONN_{name.upper()}": value for name, value in self.connections.items()}
