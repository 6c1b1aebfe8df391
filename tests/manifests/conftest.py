"""The builds of overlays for which every rule must hold."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from hack.lab.node import build as node_programs
from hack.lab.node.plan import plan_from_environment
from tests.manifests.stack import OVERLAYS, ROOT, build, overlay_over
from tests.view import run_in_view

if TYPE_CHECKING:
    from pathlib import Path

    from tests.manifests.stack import Object

WHOLE = ["root", *OVERLAYS]


@pytest.fixture(scope="session", autouse=True)
def kubectl(pytestconfig: pytest.Config) -> None:
    """A machine without kubectl builds the overlays with the node's own."""
    os.environ.setdefault("GOGC", "400")  # a quarter of a build's time is for memory that it could as well keep
    if shutil.which("kubectl") is None:
        run_in_view(pytestconfig, sys.executable, "-m", "hack.lab.node", "build")
        programs = node_programs.binaries(plan_from_environment().cache).path
        os.environ["PATH"] = f"{os.environ['PATH']}{os.pathsep}{programs}"


def directory(what: str) -> Path:
    """Return where a build's kustomization is."""
    return ROOT if what == "root" else ROOT / "overlays" / what


@pytest.fixture(scope="session", params=[pytest.param(what, id=what) for what in WHOLE])
def built(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    """Each overlay and the root, as they are."""
    return build(directory(request.param))


@pytest.fixture(scope="session", params=[pytest.param(what, id=what) for what in WHOLE])
def prefixed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Object, ...]:
    """Each overlay and the root, under a prefix that nothing in them can know."""
    return build(
        overlay_over(directory(request.param), tmp_path_factory.mktemp("prefixed"), prefix="qq-9-", instance="qq-9")
    )


@pytest.fixture
def prefix(prefixed: tuple[Object, ...]) -> str:
    """The prefix that all names of the build have."""
    (service,) = (
        each["metadata"]["name"]
        for each in prefixed
        if each["kind"] == "Service" and each["metadata"]["name"].endswith("api-server")
    )
    return str(service).removesuffix("api-server")
