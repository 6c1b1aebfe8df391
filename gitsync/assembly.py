"""Makes all objects of a controller from its settings, and connects them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitsync.analysis.analyst import Analyst
from gitsync.controller.admission import Admission
from gitsync.controller.announce import Announcer
from gitsync.controller.fleet import Fleet
from gitsync.controller.kube import Cluster, Leadership, connect
from gitsync.controller.ledger import Ledger
from gitsync.controller.loop import Controller
from gitsync.controller.pipeline import Pipeline
from gitsync.controller.publisher import Publisher
from gitsync.controller.source import Source
from gitsync.gate.client import GateClient
from gitsync.gate.keeper import Gatekeeper
from gitsync.git.mirror import Mirror
from gitsync.metadata.barrier import Barrier
from gitsync.metadata.database import Database
from gitsync.notify.notifier import Notifier
from gitsync.rules.orders import ORDERS
from gitsync.server.app import Server
from gitsync.server.surface import Surface, Tokens
from gitsync.settings import Restarting
from gitsync.trees import shelf

if TYPE_CHECKING:
    from pathlib import Path

    from gitsync.controller.kube import Identity
    from gitsync.settings import Settings, SourceSettings


@dataclass(frozen=True)
class Volume:
    """The paths in the controller's pod that all sources share."""

    root: Path
    """The volume for mirrors, trees and reports."""
    gate: str
    """The name of the gate's socket."""


def controller(settings: Settings, identity: Identity, root: Path, gate: str) -> Controller:
    """Make the controller. `Controller.run` starts its threads; only the notifiers run already."""
    client = connect()
    cluster = Cluster(client, identity)
    volume = Volume(root, gate)
    shelf.prepare(root)
    pipelines = {wanted.name: _pipeline(wanted, settings, cluster, volume) for wanted in settings.sources}
    return Controller(
        pipelines,
        identity=identity,
        cluster=cluster,
        leadership=Leadership(client, identity),
        silent_after=settings.fleet.silent_after,
    )


def _pipeline(wanted: SourceSettings, settings: Settings, cluster: Cluster, volume: Volume) -> Pipeline:
    notifier = Notifier(wanted.notify.sinks())
    notifier.start()
    announcer = Announcer(wanted.name, cluster.event, notifier.tell)
    # A bundle without versions must never fence: a fenced pod keeps the old tree, and would split a run.
    fence_after = settings.fleet.fence_after if wanted.policy.versioned else None
    fleet = Fleet(silent_after=settings.fleet.silent_after, fence_after=fence_after)
    ledger = Ledger(
        source=wanted.name, fleet=fleet, cluster=cluster, announcer=announcer, within=settings.fleet.flip_within
    )
    database = Database(**settings.database.model_dump())
    publisher = Publisher(
        policy=wanted.policy,
        windows=wanted.windows,
        lock=settings.lock,
        database=database,
        barrier=Barrier(database, wanted.name),
        fleet=fleet,
        cluster=cluster,
        ledger=ledger,
        announcer=announcer,
    )
    return Pipeline(
        source=source(wanted, announcer, volume),
        fleet=fleet,
        ledger=ledger,
        publisher=publisher,
        announcer=announcer,
        notifier=notifier,
        cluster=cluster,
        restart=wanted.restart is Restarting.AUTO,
    )


def source(wanted: SourceSettings, announcer: Announcer, volume: Volume) -> Source:
    """Make a source, with the checks for its revisions."""
    root = volume.root
    mirror = Mirror(root / f"{wanted.name}.git", timeout=wanted.timeout, clone=wanted.clone)
    mirror.prepare()
    gatekeeper = Gatekeeper(
        wanted.gate, GateClient(volume.gate), root / "reports" / wanted.name,
        subdirectory=wanted.subdirectory, bundle=wanted.name,
    )  # fmt: skip
    analyst = Analyst(
        source=wanted.name,
        mirror=mirror,
        # Each source has a cache of its own, because the cache forgets files that the source's revisions do not have.
        facts=root / "facts" / wanted.name,
        subdirectory=wanted.subdirectory,
        policy=wanted.tree,
        discovery=wanted.impact,
        limits=wanted.analysis,
    )
    admission = Admission(
        settings=wanted, mirror=mirror, shelf=shelf.Shelf(root, wanted.name), analyst=analyst, gatekeeper=gatekeeper
    )
    return Source(wanted, mirror, admission, announcer)


def server(controller: Controller, tokens: Tokens, port: int) -> Server:
    """Make the HTTP server of ``controller``."""
    pipelines, leadership = controller.pipelines, controller.leadership
    surface = Surface(
        fleets={name: pipeline.fleet for name, pipeline in pipelines.items()},
        mirrors={name: pipeline.source.mirror.directory for name, pipeline in pipelines.items()},
        refs={name: pipeline.source.settings.ref for name, pipeline in pipelines.items()},
        webhooks={name: hook for name, pipeline in pipelines.items() if (hook := pipeline.source.settings.webhook)},
        status=controller.status,
        look=controller.look,
        order=lambda source, verb, argument, who: controller.order(source, ORDERS[verb], argument, who),
        explain=lambda source, revision: controller.pipeline(source).explain(revision),
        touched=lambda source, revision, since: controller.pipeline(source).touched(revision, since),
        recall=lambda source, revision: controller.pipeline(source).recall(revision),
        alive=lambda: controller.alive,
        troubles=lambda: controller.troubles,
        leading=lambda: controller.in_charge,
        leader=lambda: f"http://{ip}:{port}" if (ip := leadership.leader_ip) else None,
    )
    return Server(surface, tokens, port=port)
