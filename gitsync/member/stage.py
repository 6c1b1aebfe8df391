"""`gitsync stage`: writes one revision to a volume and ends, for a pod that executes one task and has no sidecar."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from gitsync.errors import RemoteError, SettingsError
from gitsync.member.client import ControllerClient
from gitsync.member.replica import Replica
from gitsync.protocol import MemberReport
from gitsync.revision import REVISION

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

CURRENT = "current"


def stage(url: str, source: str, root: Path, token_file: Path, *, wanted: str, timeout: float) -> str:
    """Make ``wanted``, a full commit id or ``current``, the current tree below ``root``. Gives the full commit id.

    ``current`` is the published revision. Failures are tried again for ``timeout`` seconds. Raises RemoteError,
    StoreError or SettingsError.
    """
    if wanted != CURRENT and not REVISION.fullmatch(wanted):
        raise SettingsError(f"{wanted!r} is neither a full commit id nor {CURRENT!r}")
    controller = ControllerClient(url.rstrip("/"), source, os.environ.get("POD_NAME", "stage"), token_file)
    replica = Replica(root, controller.remote, recall=controller.recall)
    ends = time.monotonic() + timeout
    with replica.owned():
        replica.prepare()
        while True:
            try:
                return _stage(controller, replica, wanted)
            except RemoteError as error:
                if error.reason == "RefNotFound" or time.monotonic() > ends:
                    raise
                log.warning("trouble", extra={"source": source, "error": str(error)})
                time.sleep(1)


def _stage(controller: ControllerClient, replica: Replica, wanted: str) -> str:
    revision = _published(controller) if wanted == CURRENT else wanted
    replica.flip(revision)
    return revision


def _published(controller: ControllerClient) -> str:
    revision = controller.ask(MemberReport(os.environ.get("POD_UID", ""))).revision
    if revision is None:
        raise RemoteError(
            "NothingPublished", f"nothing of {controller.source!r} is published yet; see `gitsync status`"
        )
    return revision
