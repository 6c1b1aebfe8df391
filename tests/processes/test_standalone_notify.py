"""The flags of stand-alone mode for webhooks, commands and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.conftest import receiver
from tests.unit.notices import valid

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.standalone import Standalone
    from tests.unit.conftest import Upstream
    from tests.unit.notices import Receiver

__all__ = ["receiver"]


def test_the_webhook_of_stand_alone_mode_is_signed(
    gitsync: Standalone, upstream: Upstream, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("any text\n")
    revision = upstream.commit(dag="one")
    secret = f"--webhook-secret-file={tmp_path / 'key'}"
    result = gitsync.once(f"--webhook-url={receiver.url}", secret, "--webhook-timeout=60s")
    assert result.returncode == 0
    (seen,), (document,) = receiver.seen, receiver.documents
    assert valid(seen, b"any text")
    assert (document["kind"], document["source"], document["revision"]) == ("published", "upstream", revision)


def test_a_webhook_address_that_cannot_be_called_stops_the_start(gitsync: Standalone, upstream: Upstream) -> None:
    upstream.commit(dag="one")
    result = gitsync.once("--webhook-url=ftp://example.org/s3cret")
    assert (result.returncode, gitsync.link.is_symlink()) == (1, False)
    assert result.stderr.splitlines()[-1].startswith("gitsync: --webhook-url must be an address")
    assert "s3cret" not in result.stderr
