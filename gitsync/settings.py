"""Reads the controller's configuration file at its start, and checks every value."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gitsync.access.credentials import Credentials
from gitsync.airflow.gate.options import GateOptions
from gitsync.airflow.policy import TreePolicy
from gitsync.analysis.messages import Limits
from gitsync.checks.signatures import Signatures
from gitsync.errors import SettingsError
from gitsync.git.clone import Clone, folder
from gitsync.impact.side import Discovery
from gitsync.notify.options import NotifyOptions
from gitsync.rules.policy import Policy
from gitsync.rules.windows import Windows
from gitsync.webhooks.hosts import WebhookOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _ref(ref: str) -> str:
    # Git would take a leading dash for an option, and a colon for a refspec that writes to another ref.
    if ref.startswith("-") or re.search(r"[\s:^~?*\[\\]|\.\.", ref):
        raise ValueError("must be a branch, a tag, a full commit id or HEAD")
    return ref


class ForcePush(StrEnum):
    """The treatment of a revision that does not descend from the one before it."""

    ALLOW = "allow"
    REFUSE = "refuse"


class Restarting(StrEnum):
    """Whether components that keep old code in memory restart after a publication."""

    OFF = "off"
    """`gitsync status` only names them."""
    AUTO = "auto"


class SourceSettings(_Settings):
    """One repository and ref, published as one bundle."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
    """A name for the source, which is also the name of the DAG bundle in Airflow."""
    repo: Annotated[str, Field(min_length=1, pattern=r"^[^-]")]
    """The repository's address, for https, http, ssh or git, or a path."""
    ref: Annotated[str, Field(min_length=1), AfterValidator(_ref)] = "HEAD"
    """The branch, tag or full commit id to follow; ``HEAD`` is the remote's default branch."""
    subdirectory: Annotated[str, AfterValidator(folder)] = ""
    """The directory with the DAG files. A revision without it is refused. The bundle in Airflow needs the same
    value."""
    period: Annotated[float, Field(ge=1)] = 60.0
    """Seconds between looks at the remote. Each pause is up to a tenth longer, so that controllers spread out. After an
    error the pauses are 5, 10, 20 … 300 seconds."""
    timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that one Git command may take. Then it is killed with every process that it has started."""
    force_push: ForcePush = ForcePush.ALLOW
    """What to do when the ref no longer descends from the revision before it. ``refuse`` keeps what is published."""
    restart: Restarting = Restarting.OFF
    """``auto`` restarts the pods that keep old code in memory, after the publication; workers finish their tasks first.
    It needs the component `gitsync-restart`. With ``off`` `gitsync status` only names them."""
    clone: Clone = Clone()
    """How much of the repository is fetched."""
    credentials: Credentials = Credentials()
    """Passwords, tokens and keys for the Git host."""
    signatures: Signatures = Signatures()
    """Who must have signed a revision."""
    tree: TreePolicy = TreePolicy()
    """Which names, sizes and links a revision may hold."""
    gate: GateOptions = GateOptions()
    """The check of a candidate's DAG files."""
    windows: Windows = Windows()
    """When publications may happen."""
    webhook: WebhookOptions | None = None
    """Lets the Git host say that the ref has moved. Without it the controller looks once in each `period`."""
    notify: NotifyOptions = NotifyOptions()
    """Who is told of publications, deferrals and refusals."""
    impact: Discovery = Discovery()
    """How Airflow finds DAG files."""
    analysis: Limits = Limits()
    """What the analysis of one commit may cost."""
    policy: Policy = Policy()
    """Which runs a candidate waits for, and how long."""


class LockSettings(_Settings):
    """The hold: the lock that keeps Airflow's schedulers from starting tasks during a publication."""

    wait: Annotated[float, Field(gt=0)] = 10.0
    """Seconds to wait for the lock."""
    serialize_within: Annotated[float, Field(ge=0)] = 15.0
    """Seconds of a hold to wait until Airflow has parsed the touched DAG files. Only with `versioned: false`."""
    limit: Annotated[float, Field(gt=1)] = 45.0
    """Seconds after which the database itself ends a hold."""


class FleetSettings(_Settings):
    """The members: pods with a sidecar."""

    flip_within: Annotated[float, Field(gt=0)] = 10.0
    """Seconds in which every member must move its link. If one does not, all go back."""
    silent_after: Annotated[float, Field(ge=35)] = 60.0
    """Seconds without a report after which a pod counts as silent. A sidecar reports at least every 25 seconds."""
    fence_after: Annotated[float, Field(ge=60)] = 300.0
    """Seconds of silence after which a pod is fenced if it is not ready either: publications no longer wait for it."""


class DatabaseSettings(_Settings):
    """Airflow's metadata database, through a role that can only read what the decision needs."""

    host: Annotated[str, Field(min_length=1)]
    """A name or an address."""
    port: Annotated[int, Field(gt=0, lt=65536)] = 5432
    """A TCP port."""
    name: str = "airflow"
    """The database's name on its server."""
    user: str = "gitsync"
    """A role with the rights in `base/migrate/grants.sql`."""
    password_file: Path | None = None
    """The role's password, read at each connection."""


class Settings(_Settings):
    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]
    """The repositories."""
    database: DatabaseSettings
    """Where Airflow's runs are read."""
    lock: LockSettings = LockSettings()
    """How long tasks may be kept from starting."""
    fleet: FleetSettings = FleetSettings()
    """How long a pod may take, and may be silent."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        names = [source.name for source in self.sources]
        if len({*names}) < len(names):
            raise ValueError("sources: each needs a name of its own")
        return self

    @model_validator(mode="after")
    def _hold_outlasts_the_flip(self) -> Settings:
        if self.lock.limit <= 2 * self.fleet.flip_within + self.lock.serialize_within:
            raise ValueError(
                "lock.limit must be more than twice fleet.flip_within, as a flip may have to be taken back, and"
                " lock.serialize_within"
            )
        return self


class _Words(yaml.SafeLoader):
    """Reads ``off``, ``no`` and ``on`` as words. YAML 1.1 takes them for booleans."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and type
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Words.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), ["t", "f"])


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration file. Raises SettingsError that lists every wrong value by its path in the file."""
    try:
        content = yaml.load(path.read_text(), _Words)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    try:
        return Settings.model_validate(_expanded(content, environ))
    except KeyError as error:
        message = f"{path} uses ${{{error.args[0]}}}, which is not in the environment; set it or write the value"
        raise SettingsError(message) from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {'; '.join(_wrong(error.errors()))}") from None


_WORDS = {
    "dataclass_type": "must be a mapping of settings",
    "dict_type": "must be a mapping",
    "extra_forbidden": "is no setting",
    "missing": "is missing",
    "model_type": "must be a mapping of settings",
    "string_too_short": "must not be empty",
    "string_type": "must be text; put it in quotes",
    "too_short": "needs one entry at least",
    "tuple_type": "must be a list",
    "unexpected_keyword_argument": "is no setting",
}
"""What a reader of YAML understands, in place of pydantic's words about Python."""


def _wrong(errors: Sequence[ErrorDetails]) -> list[str]:
    """A message for each wrong value. A list with a wrong entry has no message of its own."""
    deeper = {item["loc"][:length] for item in errors for length in range(len(item["loc"]))}
    return [
        f"{_path(item['loc'])}: {_WORDS.get(item['type'], item['msg'].removeprefix('Value error, '))}"
        for item in errors
        if item["loc"] not in deeper or item["type"] != "too_short"
    ]


def _expanded(value: Any, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever YAML holds
    """``value``, with every ``${NAME}`` in its strings replaced. Raises KeyError for a name that is not set."""
    if isinstance(value, dict):
        return {key: _expanded(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, environ) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: environ[match[1]], value)
    return value


def _path(location: tuple[int | str, ...]) -> str:
    """The path of a value as text: ``sources[0].repo`` for ``('sources', 0, 'repo')``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    # A key may have any characters, but an error must be one line.
    return "".join(letter if letter.isprintable() else "?" for letter in text.lstrip(".")) or "the file"
