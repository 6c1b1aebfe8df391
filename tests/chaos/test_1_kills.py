"""Services are killed or cut off while a run's tasks run. The run goes on, and no task is begun twice."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from hack.lab.node import lifecycle, processes
from hack.lab.node.plan import plan_from_environment
from tests.cluster.instances import eventually
from tests.cluster.load import Load, delete_pods

if TYPE_CHECKING:
    from tests.cluster.instances import UnderTest


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_scheduler_is_killed(dev: UnderTest, replicas: int) -> None:
    dev.instance.kubectl("scale", "deployment/dev-scheduler", f"--replicas={replicas}")
    try:
        eventually(lambda: not dev.instance.not_ready("scheduler"), "the schedulers are ready", dev.findings)
        load = Load.start(dev)
        load.wait_for_ended(3)
        selector = f"app.kubernetes.io/component=scheduler,{dev.instance.selector}"
        first = dev.instance.get("pods", "-l", selector)["items"][0]["metadata"]["name"]
        dev.instance.kubectl("delete", "pod", first, "--force", "--grace-period=0")
        load.finish()
    finally:
        dev.instance.kubectl("scale", "deployment/dev-scheduler", "--replicas=1")
        eventually(lambda: not dev.instance.not_ready("scheduler"), "one scheduler is ready", dev.findings)


@pytest.mark.parametrize("component", ["rabbitmq", "postgres"])
def test_a_server_is_killed(dev: UnderTest, component: str) -> None:
    """1. tasks run, more wait; 2. the server's pod is killed; 3. another run is asked for; 4. both succeed."""
    load = Load.start(dev)
    load.wait_for_ended(3)
    delete_pods(dev, component)
    other = eventually(lambda: Load.start(dev), "another run is accepted", dev.findings)
    tries = 2 if component == "postgres" else 1  # one that is about to start may lose an attempt
    load.finish(tries=tries)
    other.finish(tries=tries)
    assert prefetch(dev) == ["4"], "the worker takes fewer tasks at a time than before"


def prefetch(dev: UnderTest) -> list[str]:
    """How many tasks each worker takes at a time, as the broker knows it."""
    columns = ("list_consumers", "queue_name", "prefetch_count", "--quiet", "--no-table-headers")
    consumers = dev.instance.kubectl("exec", "dev-rabbitmq-0", "--", "rabbitmqctl", *columns).splitlines()
    return [line.split()[1] for line in consumers if line.startswith("default")]


@pytest.mark.parametrize(
    ("block", "clear"),
    [
        pytest.param("set_vm_memory_high_watermark 0.00001", "set_vm_memory_high_watermark 0.6", id="memory"),
        pytest.param("set_disk_free_limit 1000GB", "set_disk_free_limit 50MB", id="disk"),
    ],
)
def test_the_broker_blocks_publishers(dev: UnderTest, block: str, clear: str) -> None:
    """1. RabbitMQ's alarm; 2. a run is asked for and does not get far; 3. the alarm is over, it succeeds."""
    broker = ("exec", "dev-rabbitmq-0", "--", "rabbitmqctl")
    dev.instance.kubectl(*broker, *block.split())
    try:
        load = Load.start(dev)

        def blocked() -> bool:
            return "block" in dev.instance.kubectl(*broker, "list_connections", "state")

        eventually(blocked, "a connection that publishes is blocked", dev.findings)
        assert not [task for task in load.tasks() if task["state"] in ("success", "failed", "up_for_retry")]
    finally:
        dev.instance.kubectl(*broker, *clear.split())
    load.finish()


@pytest.mark.parametrize("program", ["kubelet", "containerd"])
def test_a_program_of_the_node_is_killed(dev: UnderTest, program: str) -> None:
    plan = plan_from_environment()
    load = Load.start(dev)
    load.wait_for_ended(3)
    (process,) = [each for each in processes.running(plan) if each.program == program]
    os.kill(process.pid, signal.SIGKILL)
    lifecycle.up(plan)
    load.finish()
