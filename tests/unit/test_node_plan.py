"""The plan and the programs of a node, from its name. Nothing here needs root or a cluster."""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from pathlib import Path

import pytest

from hack.lab.node import certificates, cluster, configuration, programs
from hack.lab.node import plan as names
from hack.lab.node.errors import NodeError

CACHE = Path("/cache")
MODULES = ("kubernetes", "containerd", "cni", "etcd", "coredns")
BINARIES = programs.Binaries({module: CACHE / "node" / module / "bin" for module in MODULES})


@pytest.fixture
def plan() -> names.Plan:
    return names.plan_of("kube-airflow", CACHE)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        pytest.param("kube-airflow", "10.77.0.0/24", id="default"),
        pytest.param("kube-airflow-test", "10.78.0.0/24", id="test"),
    ],
)
def test_known_nodes_have_known_networks(name: str, network: str) -> None:
    assert names.plan_of(name, CACHE).network == network


@pytest.mark.parametrize("number", range(30))
def test_other_nodes_keep_clear_of_the_known_ones(number: int) -> None:
    plan = names.plan_of(f"kube-airflow-{number}", CACHE)
    assert 79 <= plan.network_number <= 99
    addresses = ipaddress.ip_network(plan.network)
    assert ipaddress.ip_address(plan.address) in addresses
    assert ipaddress.ip_address(plan.host_address) in addresses
    assert plan.address != plan.host_address


def test_a_link_name_fits_the_kernel_however_long_the_nodes_name() -> None:
    assert len(names.plan_of("kube-airflow-" + "x" * 27, CACHE).host_link) <= 15


def test_two_nodes_share_nothing() -> None:
    one, other = (names.plan_of(name, CACHE) for name in ("kube-airflow", "kube-airflow-test"))
    for attribute in ("state", "run", "cgroup", "host_link", "network", "namespace_file", "admin_kubeconfig"):
        assert getattr(one, attribute) != getattr(other, attribute)


@pytest.mark.parametrize("name", ["", "systemd", "kube-airflow/..", "kube-airflow-", "Kube-Airflow", "kube-airflowx"])
def test_a_name_that_could_lead_to_other_programs_folders_is_refused(name: str) -> None:
    with pytest.raises(NodeError, match="KUBE_AIRFLOW_NODE"):
        names.plan_of(name, CACHE)


def test_the_cache_moves_with_its_variable() -> None:
    assert names.cache_folder({"KUBE_AIRFLOW_CACHE": "/elsewhere"}) == Path("/elsewhere")
    assert names.cache_folder({}).parts[-2:] == (".cache", "kube-airflow")


def test_programs_are_those_that_are_stopped_and_looked_for(plan: names.Plan) -> None:
    assert tuple(program.name for program in programs.programs(plan, BINARIES)) == programs.PROGRAMS


def test_every_program_is_found_by_the_name_of_its_executable(plan: names.Plan) -> None:
    for program in programs.programs(plan, BINARIES):
        assert Path(program.command[0]).name == program.name


def test_every_file_that_a_program_is_given_is_judged_or_written_by_it(plan: names.Plan) -> None:
    """A changed certificate or configuration restarts what read it."""
    for program in programs.programs(plan, BINARIES):
        given = {Path(found) for found in re.findall(r"=(/\S+\.(?:crt|key|pub|kubeconfig|json|toml))", str(program))}
        assert {path for path in given if path.suffix != ".key"} <= set(program.inputs)


def test_the_api_server_checks_who_may_do_what(plan: names.Plan) -> None:
    command = next(program.command for program in programs.programs(plan, BINARIES) if "apiserver" in program.name)
    assert "--authorization-mode=Node,RBAC" in command
    assert "--enable-admission-plugins=NodeRestriction" in command


def test_certificates_name_every_address_that_clients_use(plan: names.Plan) -> None:
    by_name = {certificate.name: certificate for certificate in certificates.certificates(plan)}
    assert {"IP:10.77.0.1", "IP:10.96.0.1", "DNS:kubernetes.default.svc"} <= set(by_name["apiserver"].alternatives)
    assert by_name["kubelet"].subject == "/O=system:nodes/CN=system:node:kube-airflow"
    assert "IP:10.77.0.1" in by_name["kubelet"].extensions
    assert set(certificates.CLIENTS) <= set(by_name)


@pytest.mark.parametrize("unified", [True, False])
@pytest.mark.parametrize("sys_resource", [True, False])
def test_the_kubelet_follows_the_machine(plan: names.Plan, *, unified: bool, sys_resource: bool) -> None:
    settings = configuration.kubelet(plan, configuration.Machine(unified, sys_resource))
    assert settings.get("failCgroupV1") is (None if unified else False)
    assert ("featureGates" in settings) is not sys_resource
    assert settings["cgroupRoot"] == "/kube-airflow"


def test_configuration_files_are_what_their_names_say(plan: names.Plan) -> None:
    machine = configuration.Machine(unified_cgroups=True, sys_resource=True)
    files = configuration.files(plan, machine, Path("/cni"), "localhost/pause:1")
    for path, text in files.items():
        if path.suffix in (".json", ".conflist"):
            json.loads(text)
    containerd = tomllib.loads(files[plan.configuration / "containerd.toml"])
    assert containerd["plugins"]["io.containerd.cri.v1.runtime"]["cni"]["bin_dirs"] == ["/cni"]
    assert containerd["state"] == "/run/kube-airflow/containerd"


def test_there_are_volumes_for_two_instances(plan: names.Plan) -> None:
    storage_class, *volumes = cluster.storage(plan)
    assert storage_class["metadata"]["name"] == "standard"
    assert len({volume["spec"]["local"]["path"] for volume in volumes}) == 24


def test_only_our_own_released_volumes_are_emptied() -> None:
    volumes = [
        {"metadata": {"name": name}, "status": {"phase": phase}}
        for name, phase in (("pv01", "Released"), ("pv02", "Bound"), ("pv03", "Available"), ("theirs", "Released"))
    ]
    assert cluster.released_volumes(volumes) == ["pv01"]
