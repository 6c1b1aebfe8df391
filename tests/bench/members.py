"""How long many members take to acknowledge an epoch: a real controller's server, and members that only talk.

    python3 -m tests.bench.members [MEMBERS]

Every member reports, is answered with the epoch, asks once more as a sidecar does before it flips, and reports again.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from aiohttp import ClientSession, TCPConnector
from tabulate import tabulate

from gitsync.controller.fleet import Fleet, Pod
from gitsync.protocol import Directive, MemberReport
from gitsync.server.app import Server
from gitsync.server.surface import Surface, Tokens
from tests.ports import free_port

EPOCHS = 5
PATIENCE = 120.0


async def member(session: ClientSession, url: str, name: str) -> None:
    """Follow every directive, for ever."""
    report = MemberReport(pod_uid=name)
    while True:
        directive = await ask(session, url, report)
        if directive.revision not in (None, report.current):
            directive = await ask(session, url, replace(report, heard=""))
        report = replace(report, current=directive.revision, epoch=directive.epoch, heard=directive.serial)


async def ask(session: ClientSession, url: str, report: MemberReport) -> Directive:
    async with session.post(f"{url}/v1/members/dags/{report.pod_uid}", json=report.as_json()) as answer:
        answer.raise_for_status()
        return Directive.parse(await answer.json())


async def everybody(url: str, count: int) -> None:
    headers = {"Authorization": "Bearer token"}
    async with ClientSession(connector=TCPConnector(limit=0), headers=headers) as session:
        await asyncio.gather(*(member(session, url, f"member-{number}") for number in range(count)))


def serve(fleet: Fleet, directory: Path) -> str:
    token = directory / "token"
    token.write_text("token")
    port = free_port()
    surface = Surface(
        fleets={"dags": fleet}, mirrors={}, refs={}, status=dict, look=lambda _source: None,
        order=lambda *_order: {}, explain=lambda *_what: {}, touched=lambda *_what: None,
        recall=lambda *_what: False,
        alive=lambda: True, leading=lambda: True, leader=lambda: None,
    )  # fmt: skip
    Server(surface, Tokens(member=token, operator=token), port=port).start()
    return f"http://127.0.0.1:{port}"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(8192, 4 * count),) * 2)
    fleet = Fleet(silent_after=60)
    with tempfile.TemporaryDirectory() as directory:
        url = serve(fleet, Path(directory))
        time.sleep(1)
        threading.Thread(target=asyncio.run, args=(everybody(url, count),), daemon=True).start()
        names = [f"member-{number}" for number in range(count)]
        fleet.see([Pod(name, name, runs_airflow=True, leaving=False) for name in names])
        took = [publish(fleet, epoch, names) for epoch in range(1, EPOCHS + 1)]
    rows = [["first, with every connection to be made", f"{took[0]:.2f}"], ["later, median", f"{median(took[1:]):.2f}"]]
    print(tabulate([*rows, ["later, longest", f"{max(took[1:]):.2f}"]], [f"{count} members", "seconds"]))


def publish(fleet: Fleet, epoch: int, names: list[str]) -> float:
    """Seconds until every member has said that it is at the next epoch."""
    directive = Directive(epoch=epoch, revision=f"{epoch:040x}")
    began = time.monotonic()
    fleet.direct(directive)
    if behind := fleet.wait_until_at(directive, names, PATIENCE):
        raise SystemExit(f"{len(behind)} members are not at epoch {epoch} after {PATIENCE:.0f} s")
    return time.monotonic() - began


if __name__ == "__main__":
    main()
