"""The components for external databases and brokers, alone and together, under the rules of the stack."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.manifests import test_pods as pod_rules
from tests.manifests import test_references as reference_rules
from tests.manifests.stack import ROOT, build, containers, environment, hosts, name, names, of_kind, secret_files, tiers
from tests.manifests.test_components import overlay_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

COMBINATIONS = [
    ("external-postgres",), ("external-broker",), ("redis",), ("pgbouncer",),
    ("redis", "pgbouncer", "network-policy", "high-availability"),
    ("external-postgres", "pgbouncer"), ("pgbouncer", "external-postgres"), ("external-postgres", "external-broker"),
]  # fmt: skip
RULES = (
    pod_rules.test_pod_security_restricted,
    pod_rules.test_containers_are_restricted_and_read_only,
    pod_rules.test_what_writes_can_write,
    pod_rules.test_volumes_keep_their_permissions,
    pod_rules.test_secrets_are_readable_by_their_user_alone,
    pod_rules.test_only_gitsync_talks_to_kubernetes,
    pod_rules.test_requests_and_memory_limits,
    pod_rules.test_probes,
    pod_rules.test_probes_are_light,
    pod_rules.test_each_tier_has_the_secrets_that_it_may_have,
    pod_rules.test_secrets_are_in_files_not_in_the_environment,
    pod_rules.test_workers_know_no_metadata_database,
    reference_rules.test_config_maps_and_their_keys_are_there,
    reference_rules.test_every_config_map_is_read,
    reference_rules.test_no_url_contains_a_host_of_ours,
    reference_rules.test_services_select_the_pods_of_one_workload_and_a_port_of_theirs,
    reference_rules.test_workloads_and_budgets_select_the_pods_of_one_workload,
    reference_rules.test_stateful_sets_are_named_by_their_services,
    reference_rules.test_volumes_are_there_and_mounted,
    reference_rules.test_variables_in_values_are_set,
    reference_rules.test_everything_that_selects_names_the_instance,
)
DATABASE = {"api-server", "dag-processor", "gitsync", "migrate", "scheduler", "triggerer", "worker"}
BROKER = {"flower", "scheduler", "worker"}
POOLED = DATABASE - {"gitsync", "migrate"}


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def combination(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[set[str], tuple[Object, ...]]:
    """Some components, and the stack with them."""
    return set(request.param), build(overlay_of(request.param, tmp_path_factory.mktemp("databases")))


def variables(objects: tuple[Object, ...], tier: str) -> dict[str, str]:
    """Return what the container knows that makes a tier's connection strings, or that connects itself."""
    pod = tiers(objects)[tier]
    makers = [each for each in containers(pod) if each["name"] in ("wait", "render")]
    return environment(objects, (makers or pod["containers"])[0])


def test_the_rules_of_the_stack_hold(combination: tuple[set[str], tuple[Object, ...]]) -> None:
    for rule in RULES:
        rule(combination[1])


def test_what_is_elsewhere_is_not_built_and_hosts_lead_somewhere(
    combination: tuple[set[str], tuple[Object, ...]],
) -> None:
    components, objects = combination
    there = set(tiers(objects))
    assert ("postgres" in there) == ("external-postgres" not in components)
    assert ("rabbitmq" in there) == (not {"external-broker", "redis"} & components)
    assert ("redis" in there, "pgbouncer" in there) == ("redis" in components, "pgbouncer" in components)
    for found in of_kind(objects, "ConfigMap"):
        assert not [each for each in hosts(found) if "." not in each and each not in names(objects, "Service")]


def test_everybody_asks_the_same_server(combination: tuple[set[str], tuple[Object, ...]]) -> None:
    components, objects = combination
    postgres = "postgres.example.org" if "external-postgres" in components else "qq-9-postgres"
    broker = {"external-broker": "broker.example.org", "redis": "qq-9-redis"}
    expected = next((host for each, host in broker.items() if each in components), "qq-9-rabbitmq")
    assert {variables(objects, tier)["POSTGRES_HOST"] for tier in DATABASE} == {postgres}
    assert {variables(objects, tier)["BROKER_HOST"] for tier in BROKER} == {expected}
    if "pgbouncer" in components:
        poolers = {tier: variables(objects, tier).get("POSTGRES_POOLER_HOST") for tier in POOLED | {"migrate"}}
        assert poolers == {**dict.fromkeys(POOLED, "qq-9-pgbouncer"), "migrate": None}
        assert variables(objects, "pgbouncer")["POSTGRES_HOST"] == postgres


def test_the_migration_is_told_what_the_others_are(combination: tuple[set[str], tuple[Object, ...]]) -> None:
    _components, objects = combination
    migrate, scheduler = variables(objects, "migrate"), variables(objects, "scheduler")
    shared = {key for key in migrate if key.startswith("POSTGRES_")}
    assert {key: migrate[key] for key in shared} == {key: scheduler[key] for key in shared}
    told = {key for key in scheduler if key.startswith("POSTGRES_")} - {"POSTGRES_POOLER_HOST"}
    assert told - shared <= {"POSTGRES_CELERY_DATABASE", "POSTGRES_CELERY_USER"}


@pytest.mark.parametrize(
    ("component", "readers", "path", "label"),
    [
        pytest.param("external-postgres", DATABASE, "/etc/postgres-ca", "outside-database", id="postgres"),
        pytest.param("external-broker", BROKER, "/etc/broker-ca", "outside-broker", id="broker"),
    ],
)
def test_who_connects_has_the_authority_and_may_go_there(
    component: str, readers: set[str], path: str, label: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    objects = build(overlay_of((component,), tmp_path_factory.mktemp(component)))
    for tier, pod in tiers(objects).items():
        has_it = [each for each in containers(pod) if path in {mount["mountPath"] for mount in each["volumeMounts"]}]
        connecting = [each for each in containers(pod) if each["name"] in ("wait", "airflow") or tier == "gitsync"]
        if tier in readers:
            assert {each["name"] for each in has_it} >= {each["name"] for each in connecting} - {"gate"}, tier
        else:
            assert not has_it, tier
    labelled = [
        each for each in of_kind(objects, "Deployment", "StatefulSet")
        if f"kube-airflow/{label}" in each["spec"]["template"]["metadata"]["labels"]
    ]  # fmt: skip
    assert {name(each).removeprefix("qq-9-") for each in labelled} == readers


def test_redis_gives_no_task_away_while_it_may_still_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    objects = build(overlay_of(("redis",), tmp_path_factory.mktemp("redis")))
    option = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"
    grace = tiers(objects)["worker"]["terminationGracePeriodSeconds"]
    for tier in ("scheduler", "worker"):
        seconds = int(environment(objects, tiers(objects)[tier]["containers"][0])[option])
        assert seconds > max(86400, grace), tier


def test_the_pooler_knows_the_passwords_of_those_who_use_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    objects = build(overlay_of(("pgbouncer",), tmp_path_factory.mktemp("pgbouncer")))
    known = set(secret_files(tiers(objects)["pgbouncer"])["secrets"])
    start = (ROOT / "docker/pgbouncer/start").read_text()
    assert known == {"airflow-password", "celery-password"}
    assert all(each in start for each in known)


def test_what_the_readmes_write_in_an_overlay_wins(tmp_path: Path) -> None:
    """An overlay's generators come before components, its patches after them: the examples are patches."""
    components = ("external-postgres", "external-broker", "ingress")
    overlay = overlay_of(components, tmp_path)
    readmes = [(ROOT / "base/components" / each / "README.md").read_text() for each in components]
    examples = [
        textwrap.dedent(found)
        for text in readmes
        for found in re.findall(r"^    patches:\n(?:     .*\n)+", text, re.MULTILINE)
    ]
    patches = [patch for example in examples for patch in yaml.safe_load(example)["patches"]]
    file = overlay / "kustomization.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "patches": patches}))
    objects = build(overlay)
    found = {tier: variables(objects, tier) for tier in ("scheduler", "migrate", "gitsync")}
    assert {each["POSTGRES_HOST"] for each in found.values()} == {"db.example.org"}
    assert {each["POSTGRES_PORT"] for each in found.values()} == {"6543"}
    assert found["scheduler"]["BROKER_HOST"] == "mq.example.org"
    airflow = environment(objects, tiers(objects)["api-server"]["containers"][0])
    assert airflow["AIRFLOW__API__BASE_URL"] == "https://data.example.org/airflow"
    assert [each["spec"]["rules"][0]["host"] for each in of_kind(objects, "Ingress")] == ["data.example.org"]
