"""Webhooks with any headers and any body: a bad payload or an ordinary answer comes of each, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from gitsync.webhooks.host import Push
from gitsync.webhooks.hosts import BadPayload, Ignored, authentic, parse
from tests.examples import examples
from tests.unit.deliveries import DELIVERIES, SECRET, SECRETS, Delivery, digest
from tests.unit.hooked import Hooked, hooked


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Hooked:
    return hooked(tmp_path_factory.mktemp("fuzzed"))


HEADERS = sorted({name for delivery in DELIVERIES.values() for name in delivery.lower()})
VALUES = some.sampled_from(["push", "ping", "repo:push", "Push Hook", "v1,", "sha256=", "application/json", ""])
TEXT = some.text(some.characters(min_codepoint=33, max_codepoint=255), max_size=20)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3),
)
KEYS = "ref after repository full_name project path_with_namespace push changes new old type name toHash object_kind"
SHAPED = some.recursive(
    JSON | some.just("refs/heads/main"),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(KEYS.split()), inner),
)
BODIES = some.binary(max_size=200) | SHAPED.map(lambda value: json.dumps(value).encode())


@some.composite
def deliveries(draw: some.DrawFn) -> Delivery:
    """A host's headers with some of them changed, a body that may make sense, and often a signature that is right."""
    known = draw(some.sampled_from(list(DELIVERIES.values())))
    body = draw(BODIES | some.just(known.body))
    headers = known.lower() | draw(some.dictionaries(some.sampled_from(HEADERS), VALUES | TEXT, max_size=3))
    if draw(some.booleans()):
        proofs = {name for name in HEADERS if "signature" in name}
        headers |= {**dict.fromkeys(proofs, f"sha256={digest(body)}"), "x-gitlab-token": SECRET.decode()}
        del headers["webhook-signature"]
    return Delivery(headers, body)


@settings(deadline=None, max_examples=examples(500))
@given(deliveries())
def test_nothing_but_a_bad_payload_comes_of_any_delivery(delivery: Delivery) -> None:
    assert authentic(delivery.lower(), delivery.body, SECRETS) in (True, False)
    try:
        said = parse(delivery.lower(), delivery.body)
    except BadPayload:
        return
    assert isinstance(said, Push | Ignored)


@settings(deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries())
def test_any_delivery_gets_one_of_the_answers(fuzzed: Hooked, delivery: Delivery) -> None:
    looked = len(fuzzed.looked)
    answer = fuzzed.send(delivery)
    assert answer.status in (200, 202, 400, 401, 413, 429)
    assert len(fuzzed.looked) - looked == (answer.status == 202)
