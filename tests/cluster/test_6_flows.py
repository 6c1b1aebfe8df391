"""What the running stack does on the network is what the policies of the component network-policy were written for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.flows import observed, table, tiers_by_address
from tests.manifests.test_network import observed as known

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


def test_no_pod_opens_a_connection_that_is_not_in_the_data(dev: UnderTest) -> None:
    flows = set(observed(table(), tiers_by_address(dev.instance.cluster, dev.instance.name)))
    assert {(flow.source, flow.target) for flow in flows} >= {("scheduler", "rabbitmq"), ("worker", "gitsync")}
    assert not flows - known(), "base/components/network-policy/flows.yaml and the policies lack these"
