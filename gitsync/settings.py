"""The controller's configuration file: read once, checked whole, frozen."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gitsync.controller.windows import Windows
from gitsync.decide import AtDeadline, Backfills, Policy, Scope
from gitsync.errors import SettingsError
from gitsync.gate.options import GateOptions
from gitsync.git.clone import Clone
from gitsync.git.credentials import Credentials
from gitsync.git.policy import TreePolicy
from gitsync.git.signatures import Signatures
from gitsync.impact.side import Discovery
from gitsync.notify.options import NotifyOptions
from gitsync.server.webhooks import WebhookOptions

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _inside(path: str) -> str:
    if path.startswith("/") or ".." in Path(path).parts:
        raise ValueError("must be a path inside the repository")
    return path


def _ref(ref: str) -> str:
    # A leading dash would be an option, and a colon a refspec that writes elsewhere.
    if ref.startswith("-") or re.search(r"[\s:^~?*\[\\]|\.\.", ref):
        raise ValueError("must be a branch, a tag, a full commit id or HEAD")
    return ref


class PolicySettings(_Settings):
    """When a candidate may be published; the meaning of each is in `gitsync.decide`."""

    scope: Scope = Scope.AFFECTED
    """Which active runs defer a publication: those of the DAGs that it touches, all, or none."""
    max_defer: Annotated[float, Field(ge=0)] | None = None
    """Seconds that a candidate may be deferred; without it, for ever."""
    at_deadline: AtDeadline = AtDeadline.WAIT
    """What happens after ``max_defer``."""
    frozen_grace: Annotated[float, Field(ge=0)] = 3600.0
    """Seconds that a run which cannot go on, because its DAG is paused or gone, defers a publication."""
    exempt: tuple[str, ...] = ()
    """DAGs whose runs never defer a publication, as shell patterns."""
    backfills: Backfills = Backfills.BLOCK
    """Whether runs of a backfill defer one too."""
    versioned: bool = True
    """False when Airflow's bundle is configured without versions: no run is then pinned by Airflow."""

    @model_validator(mode="after")
    def _pin_needs_versions(self) -> PolicySettings:
        if self.at_deadline is AtDeadline.PIN and not self.versioned:
            raise ValueError("at_deadline: pin needs a versioned bundle; set versioned: true there and here, or wait")
        return self

    def policy(self) -> Policy:
        return Policy(**self.model_dump())


class SourceSettings(_Settings):
    """One repository and ref, published as one bundle."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
    """Also the name of the DAG bundle in Airflow."""
    repo: Annotated[str, Field(min_length=1, pattern=r"^[^-]")]
    """Its address: HTTPS, SSH or Git's own protocol."""
    ref: Annotated[str, Field(min_length=1), AfterValidator(_ref)] = "HEAD"
    """A branch, a tag, a full commit id, or the remote's HEAD."""
    subdirectory: Annotated[str, AfterValidator(_inside)] = ""
    """Where the DAG files are; a revision without it is refused."""
    period: Annotated[float, Field(ge=1)] = 60.0
    """Seconds between looks at the remote; each is up to a tenth longer, so that controllers spread out."""
    timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that one fetch may take."""
    force_push: Literal["allow", "refuse"] = "allow"
    """What to do with a revision that does not descend from the one before it."""
    restart: Literal["off", "auto"] = "off"
    """Whether components that keep old code in memory are rolled after a publication, or only named."""
    clone: Clone = Clone()
    credentials: Credentials = Credentials()
    signatures: Signatures = Signatures()
    tree: TreePolicy = TreePolicy()
    gate: GateOptions = GateOptions()
    windows: Windows = Windows()
    webhook: WebhookOptions | None = None
    """Who may say that the ref has moved; without it only the period counts."""
    notify: NotifyOptions = NotifyOptions()
    impact: Discovery = Discovery()
    policy: PolicySettings = PolicySettings()


class LockSettings(_Settings):
    wait: Annotated[float, Field(gt=0)] = 10.0
    """Seconds to wait for the hold."""
    serialize_within: Annotated[float, Field(ge=0)] = 15.0
    """Seconds of a hold to wait for the DAG processor, where Airflow pins no run."""
    limit: Annotated[float, Field(gt=1)] = 45.0
    """Seconds after which the database itself ends a hold."""


class FleetSettings(_Settings):
    flip_within: Annotated[float, Field(gt=0)] = 10.0
    """Seconds in which every member must flip, or all flip back."""
    silent_after: Annotated[float, Field(ge=35)] = 60.0
    """Seconds without a report after which a pod counts as silent; a report comes at least every 25."""
    fence_after: Annotated[float, Field(ge=60)] = 300.0
    """Seconds of silence after which publications no longer wait for a pod that is not ready either."""


class DatabaseSettings(_Settings):
    """Airflow's metadata database, through a role that can only read what the decision needs."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(gt=0, lt=65536)] = 5432
    name: str = "airflow"
    user: str = "gitsync"
    password_file: Path | None = None


class Settings(_Settings):
    sources: Annotated[tuple[SourceSettings, ...], Field(min_length=1)]
    database: DatabaseSettings
    lock: LockSettings = LockSettings()
    fleet: FleetSettings = FleetSettings()

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
    """YAML 1.1 takes a bare ``off``, ``no`` or ``on`` for a boolean; people mean the word."""

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
        wrong = "; ".join(f"{_path(item['loc'])}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"{path}: {wrong}") from None


def _expanded(value: Any, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever YAML holds
    """``value`` with every ``${NAME}`` in its strings replaced; KeyError names one that is not set."""
    if isinstance(value, dict):
        return {key: _expanded(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, environ) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: environ[match[1]], value)
    return value


def _path(location: tuple[int | str, ...]) -> str:
    """``('sources', 0, 'repo')`` as ``sources[0].repo``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    # A key may hold anything, and an error is one line.
    return "".join(letter if letter.isprintable() else "?" for letter in text.lstrip(".")) or "the file"
