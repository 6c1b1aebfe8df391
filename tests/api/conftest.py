"""The fixture with one API server for the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.kinds import define
from tests.api.server import Api, serving
from tests.manifests.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API server that knows the kinds of the manifests, with the namespace of the overlays and nothing in it."""
    directory = tmp_path_factory.mktemp("api")
    with serving(directory) as api:
        define(api, directory / "kinds.yaml")
        api.done("apply", "--filename", str(ROOT / "overlays/namespace.yaml"))
        yield api
