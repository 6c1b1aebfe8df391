"""Custom objects against the OpenAPI schemas of the projects that define them.

Types, required and unknown fields, enumerations and patterns are checked; rules in CEL are left to an API server.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft4Validator

from hack.lab.addons import crds
from hack.lab.node.plan import cache_folder

if TYPE_CHECKING:
    from tests.manifests.stack import Object

FREE = ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")


def is_custom(found: Object) -> bool:
    """Return whether another project than Kubernetes defines the kind."""
    return crds.source_of(group_of(found)) is not None


def group_of(found: Object) -> str:
    """Return an object's API group; the core group is empty."""
    return str(found["apiVersion"]).rpartition("/")[0]


def problems(found: Object) -> list[str]:
    """Return what an API server with the definition would refuse or drop."""
    validator = validator_of(group_of(found), found["kind"], found["apiVersion"].rpartition("/")[2])
    errors = sorted(validator.iter_errors(found), key=lambda error: error.json_path)
    return [f"{found['kind']}{error.json_path.removeprefix('$')}: {error.message}" for error in errors]


@cache
def validator_of(group: str, kind: str, version: str) -> Draft4Validator:
    """Return the validator of one version of a kind; a group may have lost a version that a manifest still names."""
    definition = crds.definition(cache_folder(os.environ), group, kind)
    assert definition, f"the group {group} has no kind {kind}"
    served = {each["name"]: each for each in definition["spec"]["versions"] if each["served"]}
    assert version in served, f"{group}/{version} is not served for {kind}; it has {', '.join(served)}"
    schema = strict(served[version]["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # as every object has it
    return Draft4Validator(schema)


def strict(schema: Any) -> Any:
    """Return a structural schema in the terms of JSON Schema: what is not listed is refused, null where allowed."""
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: strict(value) for name, value in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = strict(schema["additionalProperties"])
    elif schema.get("type") == "object" and not any(schema.get(each) for each in FREE):
        result.setdefault("additionalProperties", False)
    if "items" in schema:
        result["items"] = strict(schema["items"])
    return {"anyOf": [{"type": "null"}, result]} if schema.get("nullable") else result
