"""The flags for the checks before a publication: whose signature is needed, and the policy on trees."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from gitsync.airflow.policy import TreePolicy
from gitsync.checks.signatures import SignatureMode, Signatures


def tree_policy(text: str) -> TreePolicy | None:
    """The policy, from a JSON object with the fields of `sources[].tree`; None for ``off``. Raises ValueError."""
    return None if text == "off" else TreePolicy(**_fields(TreePolicy, text))


def signatures(text: str) -> Signatures:
    """Whose signature counts, from a JSON object with the fields of `sources[].signatures`. Raises ValueError."""
    given = _fields(Signatures, text)
    if "mode" in given:
        if given["mode"] not in {*map(str, SignatureMode)}:
            raise ValueError(f"mode must be one of {', '.join(SignatureMode)}")
        given["mode"] = SignatureMode(given["mode"])
    given["gpg_keyrings"] = tuple(map(Path, given.get("gpg_keyrings", ())))
    if signers := given.get("ssh_allowed_signers"):
        given["ssh_allowed_signers"] = Path(signers)
    return Signatures(**given)


def _fields(kind: type[TreePolicy | Signatures], text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('this is not JSON, such as {"symlinks": "refuse"}') from None
    if not isinstance(given, dict):
        raise ValueError("this is no JSON object")
    known = {field.name: field.default for field in fields(kind)}
    if unknown := given.keys() - known:
        raise ValueError(f"there is no {', '.join(sorted(unknown))}; use {', '.join(known)}")
    return {name: _value(name, value, known[name]) for name, value in given.items()}


def _value(name: str, value: object, default: object) -> object:
    """``value``, if it has the kind of ``default``. A list of texts gives a tuple."""
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(f"{name} must be a list of texts")
    wanted = type(default) if isinstance(default, (bool, int)) else str
    if type(value) is not wanted:
        raise ValueError(f"{name} must be {_WORDS[wanted]}")
    return value


_WORDS: dict[type, str] = {bool: "true or false", int: "a whole number", str: "a text"}
