"""A small model of the world that a controller publishes to, for the publication protocol.

The controller's code is the real one: decision, publisher, ledger, fleet, record. Modelled is what it talks to: the
scheduler lock and the runs of Airflow, the ConfigMap with its compare-and-swap, and the pods. Bundles are unversioned,
so the protocol alone keeps a run on one revision.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from gitsync.controller.announce import Announcer
from gitsync.controller.candidate import Candidate
from gitsync.controller.fleet import Fleet, Pod
from gitsync.controller.ledger import Ledger
from gitsync.controller.publisher import Publisher
from gitsync.controller.record import Record
from gitsync.errors import DatabaseError, GitSyncError, HoldTimeout, Superseded
from gitsync.protocol import Directive, MemberReport
from gitsync.rules.decide import BlockingRun
from gitsync.rules.policy import Policy, Scope
from gitsync.rules.windows import Windows
from gitsync.settings import LockSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Crash(BaseException):
    """The controller's process ends here; nothing of it goes on."""


@dataclass
class ModelPod:
    name: str
    current: str | None = None
    epoch: int = 0
    settled: bool = True
    stalled: bool = False


@dataclass
class ModelRun:
    name: str
    state: str = "queued"
    cleared: bool = False
    executing: int = 0
    revisions: set[str] = field(default_factory=set)
    """The revisions that tasks have been started on since it was last cleared."""

    @property
    def blocks(self) -> bool:
        return self.executing > 0 or (self.state == "running" and bool(self.revisions)) or self.cleared


class World:
    """Everything that a controller does not control."""

    def __init__(self) -> None:
        self.head: str | None = None
        self.stored, self.version = Record(), 0
        self.holder: object | None = None
        self.pods: dict[str, ModelPod] = {}
        self.runs: dict[str, ModelRun] = {}
        self.committed: dict[int, set[str | None]] = {}
        self.controllers: list[ModelController] = []
        self.meddle: Callable[[str], None] = lambda _step: None
        """Called between any two steps of a controller: may do anything to the world, and may raise Crash."""

    def start_task(self, run: ModelRun, pod: ModelPod) -> None:
        """As Airflow does: never while somebody has the lock; as the bundle does: never on an unsettled tree."""
        if self.holder is not None or pod.current is None or not pod.settled or run.state == "success":
            return
        run.state, run.cleared = "running", False
        run.executing += 1
        run.revisions.add(pod.current)

    def expire_hold(self) -> None:
        self.holder = None

    def hear(self, pod: ModelPod, directive: Directive) -> None:
        """What a sidecar does with a directive."""
        if pod.stalled or directive.epoch < pod.epoch or directive.revision is None:
            return
        pod.current, pod.epoch, pod.settled = directive.revision, directive.epoch, directive.settled


@dataclass
class ModelDatabase:
    world: World

    def exists(self) -> bool:
        return True

    def blocking(self, _bundle: str | None = None) -> tuple[BlockingRun, ...]:
        self.world.meddle("read runs")
        return tuple(
            BlockingRun("etl", run.name, run.state, None, None, "busy", frozen=False)
            for run in self.world.runs.values()
            if run.blocks
        )

    def revisions_in_use(self, _bundle: str) -> frozenset[str]:
        return frozenset()

    @contextmanager
    def hold(self, **_limits: float) -> Iterator[ModelHold]:
        self.world.meddle("take the hold")
        if self.world.holder is not None:
            raise HoldTimeout("somebody else has it")
        hold = ModelHold(self.world)
        self.world.holder = hold
        try:
            yield hold
        finally:
            if self.world.holder is hold:
                self.world.holder = None
        self.world.meddle("the hold is over")


@dataclass(eq=False)
class ModelHold:
    world: World

    def blocking(self, bundle: str | None = None) -> tuple[BlockingRun, ...]:
        self.world.meddle("read runs under the hold")
        if self.world.holder is not self:
            raise DatabaseError("the hold is lost")
        return ModelDatabase(self.world).blocking(bundle)


@dataclass
class ModelCluster:
    """The ConfigMap and the pods, as one controller sees them."""

    world: World
    version: int = -1

    def take_over(self) -> Record:
        self.world.meddle("take over")
        self.version = self.world.version
        return self.write("dags", self.world.stored)

    def write(self, _source: str, record: Record) -> Record:
        self.world.meddle("write the record")
        if self.version != self.world.version:
            raise Superseded("another controller has taken over")
        self.world.version += 1
        self.version, self.world.stored = self.world.version, record
        self.world.committed.setdefault(record.epoch, set()).add(record.revision)
        self.world.meddle("written")
        return record

    def pods(self) -> tuple[Pod, ...]:
        return tuple(Pod(name, name, runs_airflow=True, leaving=False) for name in self.world.pods)

    def event(self, *_args: object, **_kwargs: object) -> None:
        """Nobody listens."""


class ModelController:
    """One process: the real pipeline's steps over the model."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cluster = cast("Any", ModelCluster(world))
        self.fleet = Fleet(silent_after=1e9)
        self.fleet.on_directive = self._directed
        announcer = Announcer("dags", self.cluster.event)
        self.ledger = Ledger(
            source="dags",
            fleet=self.fleet,
            cluster=self.cluster,
            announcer=announcer,
            within=0.001,
        )
        self.publisher = Publisher(
            policy=Policy(scope=Scope.GLOBAL),  # the barrier is Airflow's affair, so not part of this model
            windows=Windows(), lock=LockSettings(),
            database=cast("Any", ModelDatabase(world)), barrier=cast("Any", None),
            fleet=self.fleet, cluster=self.cluster, ledger=self.ledger, announcer=announcer, flip_retry=0,
        )  # fmt: skip

    def _directed(self) -> None:
        """Members answer one after the other, and anything may happen in between."""
        for pod in list(self.world.pods.values()):
            self.world.meddle("a member hears")
            self.world.hear(pod, self.fleet.directive)
            self._report(pod)

    def _report(self, pod: ModelPod) -> None:
        if not pod.stalled:
            staged = tuple(revision for revision in (self.world.head, pod.current) if revision)
            self.fleet.report(pod.name, MemberReport(pod.name, pod.current, pod.epoch, staged))

    def tick(self) -> None:
        try:
            if self.ledger.record is None:
                self.ledger.adopt(self.cluster.take_over())
            self.fleet.see(self.cluster.pods())
            self._directed()
            if self.publisher.recover(self.cluster.pods(), patience_over=False):
                head = self.world.head
                candidate = Candidate(head, self.ledger.ours.revision) if head else None
                self.publisher.consider(candidate, self.cluster.pods())
        except GitSyncError:
            pass  # the next tick goes on from what is true
