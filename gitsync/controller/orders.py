"""What operators may order, and what it changes in the record."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from gitsync.errors import OrderRefused

if TYPE_CHECKING:
    from gitsync.controller.record import Orders


class Verb(StrEnum):
    SUSPEND = "suspend"
    """Publish nothing until `resume`."""
    RESUME = "resume"
    """Follow the ref again, after `suspend` and after `rollback`."""
    PUBLISH = "publish"
    """Publish the candidate now: neither runs, windows nor a suspension defer it."""
    ROLLBACK = "rollback"
    """Take an earlier revision for the candidate, and stay on it until `resume`."""


def ordered(orders: Orders, verb: Verb, *, who: str, argument: str | None, candidate: str | None) -> Orders:
    """The orders after one more. ``argument``: the reason of a suspension, or a full revision."""
    if verb is Verb.SUSPEND:
        return replace(orders, suspended=f"suspended by {who}" + (f": {argument}" if argument else ""))
    if verb is Verb.RESUME:
        return replace(orders, suspended=None, rollback=None, rollback_by=None)
    if verb is Verb.ROLLBACK:
        # Nothing else is published meanwhile, so a suspension would only be in the way.
        wanted = _present(argument, "rollback needs a revision")
        return replace(orders, rollback=wanted, rollback_by=who, suspended=None)
    wanted = _present(candidate, "there is no candidate to publish: what is fetched is published, or was refused")
    if argument not in (None, wanted):
        raise OrderRefused(f"{argument} is not the candidate, which is {wanted[:12]}; use `gitsync rollback`")
    return replace(orders, publish=wanted, publish_by=who)


def _present(value: str | None, otherwise: str) -> str:
    if not value:
        raise OrderRefused(otherwise)
    return value
