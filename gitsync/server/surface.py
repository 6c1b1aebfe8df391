"""What the server may see and do of the controller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitsync.controller.fleet import Fleet
    from gitsync.server.webhooks import WebhookOptions


@dataclass(frozen=True)
class Tokens:
    """Files with the two bearer tokens; read at each request, so that a rotated Secret needs no restart.

    A member's reads revisions and brings the member's reports; an operator's does everything else.
    """

    member: Path
    operator: Path


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Callables that name a source raise UnknownSource; any GitSyncError is a refusal that changed nothing.

    ``order``, ``explain``, ``touched`` and ``recall`` may block; the others answer at once.
    """

    fleets: Mapping[str, Fleet]
    """The members, as each source knows them."""
    mirrors: Mapping[str, Path]
    """Bare repository of each source."""
    refs: Mapping[str, str]
    """What each source follows, as configured."""
    webhooks: Mapping[str, WebhookOptions] = field(default_factory=dict)
    """Sources that take webhooks."""
    status: Callable[[], dict[str, Any]]
    look: Callable[[str | None], None]
    """Look at one source's remote now; None: at all."""
    order: Callable[[str, str, str | None, str], dict[str, Any]]
    """Source, verb (`suspend`, `resume`, `publish`, `rollback`), reason or revision, who: the source's status after."""
    explain: Callable[[str, str], dict[str, Any]]
    """Source, revision (may be abbreviated): what it touches, and what would defer it now."""
    touched: Callable[[str, str, str], list[str] | None]
    """Source, revision, an earlier one: DAG files of the revision that may behave differently; None: any may."""
    recall: Callable[[str, str], bool]
    """Source, revision: have its tree for members again; False: no run needs it."""
    alive: Callable[[], bool]
    leading: Callable[[], bool]
    leader: Callable[[], str | None]
    """The leading replica's address, as ``http://host:port``."""
