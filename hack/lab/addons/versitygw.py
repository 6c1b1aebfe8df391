"""Versity's S3 gateway. A bucket is a folder in the node's state, and an object is a file in the bucket."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from hack.lab.addons import beside, modules
from hack.lab.node import build, certificates
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from pathlib import Path

    from hack.lab.node.plan import Plan

PORT = 7070
HEALTH = "/health"
ACCOUNT = "airflow"


def folder(plan: Plan) -> Path:
    """The folder of the buckets. They stay when the add-on is removed."""
    return plan.state / "s3" / "buckets"


def secret(plan: Plan) -> str:
    """The secret key of the account."""
    file = plan.state / "s3" / "secret"
    if not file.exists():
        file.parent.mkdir(exist_ok=True, mode=0o700)
        certificates.write_private(file, secrets.token_hex(20))
    return file.read_text()


def program(plan: Plan) -> Program:
    settings = ("env", f"ROOT_ACCESS_KEY={ACCOUNT}", f"ROOT_SECRET_KEY={secret(plan)}")
    gateway = str(build.programs_of(plan.cache, modules.VERSITYGW) / "versitygw")
    options = (f"--port={plan.address}:{PORT}", f"--health={HEALTH}")
    return Program("versitygw", (*settings, gateway, *options, "posix", str(folder(plan))))


def up(plan: Plan) -> None:
    build.build_modules(plan.cache, (modules.VERSITYGW,))
    with step("starting Versity's S3 gateway") as current:
        wanted = program(plan)
        folder(plan).mkdir(exist_ok=True)
        beside.start_answering(plan, wanted, f"{plan.address}:{PORT}{HEALTH}", current)


def down(plan: Plan) -> None:
    with step("removing Versity's S3 gateway"):
        beside.stop(plan, [program(plan)])
