"""The part of the controller that the server may use: data and callables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitsync.controller.fleet import Fleet
    from gitsync.webhooks.hosts import WebhookOptions


@dataclass(frozen=True)
class Tokens:
    """Files with the two bearer tokens. They are read at each request, so a rotated Secret needs no restart.

    The members' token is for reports and for reading revisions. The operators' token is for everything else.
    """

    member: Path
    operator: Path


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The controller's data and callables for the server.

    Callables with a source raise UnknownSource. Any other GitSyncError is a refusal, and has changed nothing.
    ``order``, ``explain``, ``touched`` and ``recall`` may block; the others return at once.
    """

    fleets: Mapping[str, Fleet]
    """The members of each source."""
    mirrors: Mapping[str, Path]
    """The bare repository of each source."""
    refs: Mapping[str, str]
    """The configured ref of each source."""
    webhooks: Mapping[str, WebhookOptions] = field(default_factory=dict)
    """The sources that take webhooks."""
    status: Callable[[], dict[str, Any]]
    look: Callable[[str | None], None]
    """Makes one source look at its remote now; None: all sources."""
    order: Callable[[str, str, str | None, str], dict[str, Any]]
    """Carries out an order. Takes source, verb (`gitsync.rules.orders`), argument and operator; gives the status."""
    explain: Callable[[str, str], dict[str, Any]]
    """Explains a revision. Takes source and revision, which may be abbreviated; gives impact and decision."""
    touched: Callable[[str, str, str], list[str] | None]
    """Takes source, revision and an earlier revision; gives the touched DAG files. None: all DAG files."""
    recall: Callable[[str, str], bool]
    """Makes a removed revision available again. Takes source and revision. False: no run needs it."""
    alive: Callable[[], bool]
    troubles: Callable[[], Mapping[str, str]] = dict
    """The reason of the last failure, by source."""
    leading: Callable[[], bool]
    leader: Callable[[], str | None]
    """Gives the leading replica's address, as ``http://host:port``, or None."""
