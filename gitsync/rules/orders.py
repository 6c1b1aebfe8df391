"""The orders of operators, and their effect. The server and the command line offer the table `ORDERS`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitsync.errors import OrderRefused
from gitsync.revision import short

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Orders:
    """The orders in force. Another order or a publication ends them."""

    suspended: str | None = None
    """A sentence with the operator and the reason."""
    publish: str | None = None
    """The revision to publish now, although runs may be active."""
    publish_by: str | None = None
    """The operator."""
    rollback: str | None = None
    """The revision to stay on, in place of the ref's."""
    rollback_by: str | None = None
    """The operator."""

    def in_force(self) -> tuple[str, ...]:
        """A sentence for each order in force."""
        return tuple(
            sentence
            for wanted, sentence in (
                (self.suspended, f"{self.suspended}, until `gitsync resume`"),
                (self.publish, f"{short(self.publish)} is to be published now, says {self.publish_by}"),
                (self.rollback, f"rolled back to {short(self.rollback)} by {self.rollback_by}, until `gitsync resume`"),
            )
            if wanted
        )

    def against(self, _revision: str | None) -> str | None:
        """The order that forbids the publication of a revision, in a sentence, or None."""
        return self.suspended

    def demanded_by(self, revision: str | None) -> str | None:
        """The operator who has ordered the publication of ``revision``, or None."""
        return self.publish_by if self.publish == revision else None

    def after(self, revision: str | None) -> Orders:
        """The orders that stay in force after the publication of ``revision``."""
        return replace(self, publish=None, publish_by=None) if self.publish == revision else self


@dataclass(frozen=True, kw_only=True)
class Given:
    """The circumstances of an order."""

    who: str
    """The operator's name."""
    argument: str | None = None
    """A text or a full commit id, as the order's `Argument` says."""
    candidate: str | None = None
    """The source's candidate, a full commit id."""


@dataclass(frozen=True)
class Argument:
    """The argument of an order."""

    name: str
    """The argument's key in the body of a request. A ``revision`` is a commit id, which may be abbreviated."""
    text: str
    required: bool = False


@dataclass(frozen=True)
class Order:
    """One kind of order."""

    verb: str
    """The name in the path of a request and on the command line."""
    text: str
    """The description for ``--help``."""
    change: Callable[[Orders, Given], Orders]
    """Gives the orders in force after this one. Raises OrderRefused."""
    argument: Argument | None = None


def _suspend(orders: Orders, given: Given) -> Orders:
    return replace(orders, suspended=f"suspended by {given.who}" + (f": {given.argument}" if given.argument else ""))


def _resume(orders: Orders, _given: Given) -> Orders:
    return replace(orders, suspended=None, rollback=None, rollback_by=None)


def _publish(orders: Orders, given: Given) -> Orders:
    wanted = _present(given.candidate, "no candidate to publish: the fetched revision is published, or was refused")
    if given.argument not in (None, wanted):
        raise OrderRefused(
            f"{short(given.argument)} is not the candidate, which is {short(wanted)}; use `gitsync rollback`"
        )
    return replace(orders, publish=wanted, publish_by=given.who)


def _roll_back(orders: Orders, given: Given) -> Orders:
    wanted = _present(given.argument, "rollback needs a revision")
    # A rollback already keeps newer revisions back, and a suspension would defer the rollback itself.
    return replace(orders, rollback=wanted, rollback_by=given.who, suspended=None)


def _present(value: str | None, otherwise: str) -> str:
    if not value:
        raise OrderRefused(otherwise)
    return value


SUSPEND = Order(
    "suspend",
    "publish nothing until `resume`",
    _suspend,
    Argument("reason", "the reason, which `gitsync status` shows"),
)
RESUME = Order("resume", "follow the ref again, after `suspend` and after `rollback`", _resume)
PUBLISH = Order(
    "publish", "publish the candidate now: no run, window or suspension defers it", _publish,
    Argument("revision", "publish only if this is the candidate"),
)  # fmt: skip
ROLLBACK = Order(
    "rollback", "go back to an earlier commit, and stay there until `resume`", _roll_back,
    Argument("revision", "a commit id, which may be abbreviated", required=True),
)  # fmt: skip
ORDERS = {order.verb: order for order in (SUSPEND, RESUME, PUBLISH, ROLLBACK)}
