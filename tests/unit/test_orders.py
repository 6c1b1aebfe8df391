"""The orders of operators: the effect of each, and the messages about them."""

from __future__ import annotations

import pytest

from gitsync.errors import OrderRefused
from gitsync.rules.orders import PUBLISH, RESUME, ROLLBACK, SUSPEND, Given, Order, Orders

OLD, NEW = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("order", "argument", "expected", "told"),
    [
        pytest.param(
            SUSPEND, "audit", Orders(suspended="suspended by ann: audit"),
            "suspended by ann: audit, until `gitsync resume`", id="suspend",
        ),
        pytest.param(
            PUBLISH, None, Orders(publish=NEW, publish_by="ann"),
            f"{NEW[:12]} is to be published now, says ann", id="publish-the-candidate",
        ),
        pytest.param(
            PUBLISH, NEW, Orders(publish=NEW, publish_by="ann"),
            f"{NEW[:12]} is to be published now, says ann", id="publish-by-name",
        ),
        pytest.param(
            ROLLBACK, OLD, Orders(rollback=OLD, rollback_by="ann"),
            f"rolled back to {OLD[:12]} by ann, until `gitsync resume`", id="rollback",
        ),
    ],
)  # fmt: skip
def test_an_order_is_in_force_until_it_is_done_or_taken_back(
    order: Order, argument: str | None, expected: Orders, told: str
) -> None:
    found = order.change(Orders(), Given(who="ann", argument=argument, candidate=NEW))
    assert found == expected
    assert found.in_force() == (told,)
    assert RESUME.change(found.after(NEW), Given(who="bob")).in_force() == ()


@pytest.mark.parametrize(
    ("order", "argument", "candidate", "words"),
    [
        pytest.param(PUBLISH, None, None, "no candidate", id="nothing-to-publish"),
        pytest.param(PUBLISH, OLD, NEW, "use `gitsync rollback`", id="not-the-candidate"),
        pytest.param(ROLLBACK, None, NEW, "needs a revision", id="rollback-to-nothing"),
    ],
)
def test_orders_that_cannot_be(order: Order, argument: str | None, candidate: str | None, words: str) -> None:
    with pytest.raises(OrderRefused, match=words):
        order.change(Orders(), Given(who="ann", argument=argument, candidate=candidate))


def test_a_rollback_ends_a_suspension() -> None:
    suspended = Orders(suspended="suspended by ann")
    assert ROLLBACK.change(suspended, Given(who="bob", argument=OLD)).suspended is None


def test_an_order_to_publish_is_about_one_revision() -> None:
    orders = Orders(publish=NEW, publish_by="ann")
    assert [orders.demanded_by(revision) for revision in (NEW, OLD, None)] == ["ann", None, None]
    assert orders.after(OLD) == orders
