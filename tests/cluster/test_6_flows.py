"""The connections of a running stack are those for which the component network-policy has rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.flows import observed, table, tiers_by_address
from tests.cluster.instances import eventually
from tests.manifests.test_network import observed as known

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest
    from tests.manifests.network import Flow

AT_WORK = {("scheduler", "rabbitmq"), ("worker", "gitsync")}
"""Seen in every stack that works; a pod that has just been replaced is asked again a moment later."""


def test_no_pod_opens_a_connection_that_is_not_in_the_data(dev: UnderTest) -> None:
    def at_work() -> set[Flow]:
        flows = set(observed(table(), tiers_by_address(dev.instance.cluster, dev.instance.name)))
        return flows if {(flow.source, flow.target) for flow in flows} >= AT_WORK else set()

    flows = eventually(at_work, "the stack is at work", dev.findings)
    assert not flows - known(), "base/components/network-policy/flows.yaml and the policies lack these"
