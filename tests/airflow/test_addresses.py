"""Airflow's servers listen on every address of a pod, which may have IPv4, IPv6 or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.airflow.stack import CHECKOUT, settings_of

if TYPE_CHECKING:
    from tests.airflow.stack import Stack

FLOWER = CHECKOUT / "base/flower/flower.env"
FAMILIES = """
from tornado.netutil import bind_sockets
print(*sorted({{each.family.name for each in bind_sockets(0, address={address!r})}}))
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_the_api_server_listens_on_both_families(stack: Stack, address: str) -> None:
    answer = requests.get(f"http://{address}:{stack.api_port}/api/v2/version", timeout=60)
    assert answer.status_code == 200


def test_flower_listens_on_both_families(stack: Stack) -> None:
    """Flower gives its address to Tornado as it is."""
    address = settings_of(FLOWER)["AIRFLOW__CELERY__FLOWER_HOST"]
    assert stack.python(FAMILIES.format(address=address)).split() == ["AF_INET", "AF_INET6"]
