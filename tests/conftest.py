"""Settings for all suites: which tests may run side by side, and the time of each suite."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.account import Account
from tests.suites import ORDER, group_of, suite_of

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it runs in the background like that, and every program under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Groups(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each process one group of tests after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    config.option.loadscopereorder = False  # by the number of tests; the slow ones are few
    return Groups(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Suites that wait most come first, so that what needs the processor runs beside them."""
    ranks = {suite: rank for rank, suite in enumerate(ORDER)}
    items.sort(key=lambda item: ranks.get(suite_of(item.nodeid), len(ranks)))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Only where the results of all processes arrive."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Account(config), "account")
