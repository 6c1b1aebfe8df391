"""The kinds of other projects that manifests have, defined on the API server as these projects do."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from hack.lab.addons import crds
from hack.lab.node.plan import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.server import Api

KINDS = (
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("keda.sh", "ScaledObject"),
    ("keda.sh", "TriggerAuthentication"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("monitoring.coreos.com", "ServiceMonitor"),
)


def define(api: Api, file: Path) -> None:
    """Add the definitions, by way of ``file``, and wait until the server knows them."""
    found = [crds.definition(cache_folder(os.environ), group, kind) for group, kind in KINDS]
    file.write_text("".join(f"---\n{json.dumps(each)}\n" for each in found))
    api.done("apply", "--server-side", "--filename", str(file))
    api.done("wait", "--for=condition=Established", "--timeout=60s", "--filename", str(file))
