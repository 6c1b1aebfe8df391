"""`gitsync stage`: one revision on a volume, once; for a pod that executes one task and needs no sidecar."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING

from gitsync.errors import RemoteError, SettingsError
from gitsync.git.command import REVISION
from gitsync.member.controller import Controller
from gitsync.member.replica import Replica
from gitsync.protocol import Report

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

CURRENT = "current"


def stage(url: str, source: str, root: Path, token_file: Path, *, wanted: str, timeout: float) -> str:
    """Have ``wanted``, a revision or what is published now, as the current tree below ``root``; its full id.

    Tried again for ``timeout`` seconds. Raises RemoteError, StoreError or SettingsError.
    """
    if wanted != CURRENT and not REVISION.fullmatch(wanted):
        raise SettingsError(f"{wanted!r} is neither a full commit id nor {CURRENT!r}")
    controller = Controller(url.rstrip("/"), source, os.environ.get("POD_NAME", "stage"), token_file)
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


def _stage(controller: Controller, replica: Replica, wanted: str) -> str:
    revision = _published(controller) if wanted == CURRENT else wanted
    replica.flip(revision)
    return revision


def _published(controller: Controller) -> str:
    revision = controller.ask(Report(os.environ.get("POD_UID", ""))).revision
    if revision is None:
        raise RemoteError(
            "NothingPublished", f"nothing of {controller.source!r} is published yet; see `gitsync status`"
        )
    return revision
