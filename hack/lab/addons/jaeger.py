"""Jaeger: receives traces by OTLP, and answers queries for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.lab.addons import beside, modules
from hack.lab.node import build
from hack.lab.node.programs import Program
from hack.progress import step

if TYPE_CHECKING:
    from hack.lab.node.plan import Plan

OTLP_PORT, QUERY_PORT, HEALTH_PORT = 4318, 16686, 13133


def program(plan: Plan) -> Program:
    """Jaeger with its built-in configuration: one process, and traces in memory."""
    folder = build.programs_of(plan.cache, modules.JAEGER)
    return Program("jaeger", ("env", f"JAEGER_LISTEN_HOST={plan.address}", str(folder / "jaeger")))


def up(plan: Plan) -> None:
    build.build_modules(plan.cache, (modules.JAEGER,))
    with step("starting Jaeger") as current:
        beside.start_answering(plan, program(plan), f"{plan.address}:{HEALTH_PORT}/status", current)


def down(plan: Plan) -> None:
    with step("removing Jaeger"):
        beside.stop(plan, [program(plan)])
