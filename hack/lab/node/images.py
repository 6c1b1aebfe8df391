"""Imports images into the node, and makes its pause image."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hack.lab.node.commands import PATH, run
from hack.lab.node.errors import NodeError
from hack.progress import step

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.lab.node.plan import Plan
    from hack.lab.node.programs import Binaries

IMPORT_LIMIT = 600.0


def ctr(
    plan: Plan,
    binaries: Binaries,
    *arguments: str,
    limit: float = 60.0,
    waiting: Callable[[], None] | None = None,
) -> str:
    if not plan.containerd_socket.exists():
        raise NodeError(f"the node {plan.name} is not running: start it with `python3 -m hack.lab.node up`")
    address = ("--address", str(plan.containerd_socket), "--namespace", "k8s.io")
    return run(binaries["ctr"], *address, *arguments, limit=limit, waiting=waiting)


def load(plan: Plan, binaries: Binaries, file: Path) -> None:
    """Import an OCI or Docker archive."""
    if not file.is_file():
        raise NodeError(f"{file} does not exist: build the images first")
    size = f"{file.stat().st_size / 1e6:.0f} MB"
    with step(f"loading {file.name}") as current:
        current.result = size
        ctr(
            *(plan, binaries, "images", "import", str(file)),
            limit=IMPORT_LIMIT,
            waiting=lambda: current.tick(size),
        )


def loaded(plan: Plan, binaries: Binaries) -> dict[str, str]:
    """The digest of each loaded image, by its name."""
    return parse_list(ctr(plan, binaries, "images", "list"))


def parse_list(table: str) -> dict[str, str]:
    """Read ctr's table, which begins with name, type and digest. Names by digest are the kubelet's duplicates."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2 and not row[0].startswith("sha256:")}


def pause_program() -> Path:
    found = next(
        (Path(folder) / "catatonit" for folder in PATH.split(":") if (Path(folder) / "catatonit").exists()), None
    )
    if not found:
        raise NodeError("catatonit is missing: apt-get install catatonit")
    return found


def pause_image() -> str:
    """The image's name, with the program's hash in it, so that another program gives another image."""
    return f"localhost/pause:{hashlib.sha256(pause_program().read_bytes()).hexdigest()[:12]}"


def load_pause(plan: Plan, binaries: Binaries) -> None:
    if pause_image() in loaded(plan, binaries):
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "pause.tar"
        archive.write_bytes(pause_archive(pause_program().read_bytes(), pause_image()))
        ctr(plan, binaries, "images", "import", str(archive))


def pause_archive(program: bytes, image: str) -> bytes:
    """An image archive in the format of `docker save`, with one layer and one static program."""
    layer = _tar({"catatonit": program})
    configuration = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Entrypoint": ["/catatonit", "-P"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "layer.tar": layer,
            "config.json": json.dumps(configuration).encode(),
            "manifest.json": json.dumps(manifest).encode(),
        }
    )


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
