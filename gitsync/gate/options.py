"""What the gate checks, and what DAG code may use up meanwhile."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

POLICIES = ("no-worse", "strict", "off")


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """Every limit is for one DAG file, and for the check command; Airflow's own settings apply beside them."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    policy: str = "no-worse"
    """``no-worse``: refuse what imports worse than the published revision; ``strict``: any error; ``off``: nothing."""
    timeout: float = 60.0
    """Seconds for one DAG file. Airflow's own limit on an import, 30 s by default, comes first: an import error."""
    total: float = 300.0
    """Seconds for all DAG files of a revision together, and again for the check command."""
    parallel: int = 0
    """DAG files parsed at once; 0: as many as the gate has processors."""
    cpu: int = 60
    """Seconds of processor time that one process may use."""
    memory: int = 512
    """MiB that one process may have resident, of which Airflow itself has about 140."""
    processes: int = 64
    """Processes that one DAG file may have at once."""
    file_size: int = 64
    """MiB that a file may grow to."""
    variables: dict[str, str] = field(default_factory=dict)
    """Stand-ins for Variables that DAG files read when they are imported, by key. Not secret: DAG code sees them."""
    connections: dict[str, str] = field(default_factory=dict)
    """Stand-ins for Airflow Connections, by id: a URI or Airflow's JSON."""
    check: tuple[str, ...] = ()
    """The repository's own check, such as ``[pytest, -q, tests]``: run in the root of a candidate that imports well."""
    confine: bool = True
    """Whether to parse nothing where the kernel cannot keep DAG code off the network. False: parse, and say so."""

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(f"gate policy {self.policy!r} is unknown: use {', '.join(POLICIES)}")
        for name in ("timeout", "total", "cpu", "memory", "processes", "file_size"):
            if getattr(self, name) <= 0:
                raise ValueError(f"gate {name} must be more than 0")
        if self.parallel < 0:
            raise ValueError("gate parallel must be 0 (one for each processor) or more")
        for name in (*self.variables, *self.connections):
            if not re.fullmatch(r"[\w.-]+", name):
                raise ValueError(f"gate stand-in {name!r} must consist of letters, digits, '_', '.' and '-'")

    @property
    def asks(self) -> bool:
        """Whether there is anything to ask the gate."""
        return self.policy != "off" or bool(self.check)

    @classmethod
    def of(cls, given: dict[str, Any]) -> GateOptions:
        """From JSON. Raises TypeError for an unknown key and ValueError for a wrong value."""
        return cls(**{**given, "check": tuple(given.get("check", ()))})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def environment(self) -> dict[str, str]:
        """The stand-ins as Airflow reads them."""
        variables = {f"AIRFLOW_VAR_{name.upper()}": value for name, value in self.variables.items()}
        return variables | {f"AIRFLOW_CONN_{name.upper()}": value for name, value in self.connections.items()}
