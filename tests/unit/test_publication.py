"""The publication protocol against a small model of the world, which acts between any two steps of a controller.

The controller's code is the real one: decision, publisher, ledger, fleet, record. Modelled is what it talks to: the
scheduler lock and the runs of Airflow, the ConfigMap with its compare-and-swap, and the pods. Bundles are unversioned,
so the protocol alone keeps a run on one revision.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from gitsync.controller.announce import Announcer
from gitsync.controller.candidate import Candidate
from gitsync.controller.fleet import Fleet, Pod
from gitsync.controller.ledger import Ledger
from gitsync.controller.publisher import Publisher
from gitsync.controller.record import Record
from gitsync.controller.windows import Windows
from gitsync.decide import BlockingRun, Policy, Scope
from gitsync.errors import DatabaseError, GitSyncError, HoldTimeout, Superseded
from gitsync.protocol import Directive, Report
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
            self.fleet.report(pod.name, Report(pod.name, pod.current, pod.epoch, staged))

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


class Publication(RuleBasedStateMachine):
    """Commits arrive, runs and pods come and go, controllers crash and are succeeded."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.numbers = itertools.count(1)
        self.controllers = [ModelController(self.world)]
        self.depth = 0
        self.push()
        self._tick(self.controllers[0], None)
        self.join()
        self.join()

    # -- what happens by itself, also between two steps of a controller ----------------------------------------------

    def _happen(self, event: str, draw: Callable[[Any], Any]) -> None:
        world = self.world
        runs, pods = list(world.runs.values()), list(world.pods.values())
        if event == "start" and pods:
            active = [run for run in runs if run.state != "success"]
            run = active[-1] if active else ModelRun(f"run-{next(self.numbers)}")
            world.runs.setdefault(run.name, run)
            world.start_task(run, draw(st.sampled_from(pods)))
        elif event == "finish" and (busy := [run for run in runs if run.executing]):
            draw(st.sampled_from(busy)).executing -= 1
        elif event == "end" and (idle := [run for run in runs if not run.executing and not run.cleared]):
            run = draw(st.sampled_from(idle))
            run.state = "success"
            del world.runs[run.name]
            if len(world.runs) < 1:
                world.runs[run.name] = run  # may be cleared later
        elif event == "clear" and (over := [run for run in runs if run.state == "success"]):
            run = draw(st.sampled_from(over))
            run.state, run.cleared = "queued", True
            run.revisions.clear()
        elif event == "stall" and pods:
            pod = draw(st.sampled_from(pods))
            pod.stalled = not pod.stalled
        elif event == "expire":
            world.expire_hold()

    EVENTS = ("start", "start", "start", "finish", "end", "clear", "stall")

    MEDDLING = st.sampled_from((*EVENTS, "expire", "crash", "succeed"))

    @rule(event=st.sampled_from(EVENTS), data=st.data())
    def happen(self, event: str, data: st.DataObject) -> None:
        self._happen(event, data.draw)

    @rule(data=st.data())
    def push_and_tick(self, data: st.DataObject) -> None:
        self.push()
        self._tick(self.controllers[-1], data)

    def push(self) -> None:
        self.world.head = f"{next(self.numbers):040x}"

    @rule()
    def join(self) -> None:
        """A pod starts from what is committed, through whichever controller it asks."""
        if len(self.world.pods) < 3 and self.world.stored.phase == "published" and self.world.stored.revision:
            name = f"pod-{next(self.numbers)}"
            self.world.pods[name] = ModelPod(name, self.world.stored.revision, self.world.stored.epoch)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.world.pods:
            del self.world.pods[data.draw(st.sampled_from(sorted(self.world.pods)))]

    # -- controllers -------------------------------------------------------------------------------------------------

    @rule(data=st.data(), which=st.integers(0, 1), eventful=st.booleans())
    def tick(self, data: st.DataObject, which: int, *, eventful: bool) -> None:
        self._tick(self.controllers[which % len(self.controllers)], data if eventful else None)

    def _tick(self, controller: ModelController, data: st.DataObject | None) -> None:
        outer, self.world.meddle = self.world.meddle, self._meddler(data) if data else lambda _step: None
        self.depth += 1
        try:
            controller.tick()
        except Crash:
            self.controllers = [one for one in self.controllers if one is not controller] or [
                ModelController(self.world)
            ]
        finally:
            self.depth -= 1
            self.world.meddle = outer

    def _meddler(self, data: st.DataObject) -> Callable[[str], None]:
        """A few things at drawn steps of this tick: most interleavings that matter take two."""
        plan = data.draw(st.lists(st.tuples(st.integers(0, 16), self.MEDDLING), min_size=1, max_size=4))
        steps = itertools.count()

        def meddle(_step: str) -> None:
            step = next(steps)
            for event in [event for number, event in plan if number == step]:
                if event == "crash":
                    raise Crash
                if event == "succeed" and self.depth < 2:
                    # This controller is stopped in the middle; another one takes over, acts, and this one goes on.
                    successor = ModelController(self.world)
                    self.controllers = [*self.controllers, successor][-2:]
                    self._tick(successor, None)
                else:
                    self._happen(event, data.draw)

        return meddle

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def no_run_has_tasks_on_two_revisions(self) -> None:
        mixed = {run.name: run.revisions for run in self.world.runs.values() if len(run.revisions) > 1}
        assert not mixed

    @invariant()
    def an_epoch_commits_one_revision(self) -> None:
        assert all(len(revisions) == 1 for revisions in self.world.committed.values()), self.world.committed

    @invariant()
    def what_is_published_is_never_empty(self) -> None:
        epochs = sorted(self.world.committed)
        assert not epochs or self.world.stored.revision is not None or epochs == [0]
        assert all(pod.current is not None for pod in self.world.pods.values())

    def teardown(self) -> None:
        """No candidate is lost: once all is calm, the newest commit is published everywhere."""
        for pod in self.world.pods.values():
            pod.stalled = False
        for run in self.world.runs.values():
            run.executing, run.state, run.cleared = 0, "success", False
        self.world.holder = None
        last = ModelController(self.world)
        for _ in range(4):
            self._tick(last, None)
        assert self.world.stored.revision == self.world.head
        assert {pod.current for pod in self.world.pods.values()} <= {self.world.head}
        assert all(pod.settled for pod in self.world.pods.values())


QUICK = settings(
    max_examples=1000, stateful_step_count=12, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
)  # fmt: skip


def test_no_interleaving_breaks_a_promise() -> None:
    run_state_machine_as_test(Publication, settings=QUICK)


@dataclass
class Scene:
    """Two pods on the first commit, and a second one to publish."""

    machine: Publication = field(default_factory=Publication)

    def __post_init__(self) -> None:
        self.world = self.machine.world
        self.first, self.second = self.world.pods.values()
        self.old = self.world.stored.revision
        self.run = self.world.runs.setdefault("run", ModelRun("run"))
        self.machine.push()
        self.new = self.world.head

    def start(self, pod: ModelPod) -> None:
        self.world.start_task(self.run, pod)

    def tick(self, controller: ModelController, **actions: Callable[[], None]) -> None:
        """One turn of ``controller``; each action happens once, after the step that its name says."""

        def meddle(step: str) -> None:
            if action := actions.pop(step.replace(" ", "_"), None):
                action()

        self.world.meddle = meddle
        with suppress(Crash):
            controller.tick()
        self.world.meddle = lambda _step: None


def crash() -> None:
    raise Crash


def test_a_publication_that_a_run_has_overtaken_is_undone() -> None:
    """1. committed, the controller dies; 2. a run starts on the old commit; 3. the successor goes back to it."""
    scene = Scene()
    scene.tick(scene.machine.controllers[0], written=crash)
    assert (scene.world.stored.revision, scene.world.stored.phase) == (scene.new, "flipping")
    scene.start(scene.second)
    assert scene.run.revisions == {scene.old}
    scene.tick(ModelController(scene.world))
    assert (scene.world.stored.revision, scene.world.stored.phase) == (scene.old, "published")
    assert {pod.current for pod in scene.world.pods.values()} == {scene.old}


def test_a_publication_whose_hold_is_lost_is_undone() -> None:
    """1. committed; 2. the hold expires and a run starts on the old commit; 3. all have flipped, and flip back."""
    scene = Scene()

    def expire_and_start() -> None:
        scene.world.expire_hold()
        scene.start(scene.second)

    scene.tick(scene.machine.controllers[0], written=expire_and_start)
    assert scene.run.revisions == {scene.old}
    assert (scene.world.stored.revision, scene.world.stored.phase) == (scene.old, "published")
    scene.run.executing = 0
    scene.start(scene.first)
    assert scene.run.revisions == {scene.old}


def test_an_undoing_that_was_interrupted_goes_on_backwards() -> None:
    """1. a pod hangs, the flip is taken back; 2. the controller dies; 3. its successor goes back, not forth."""
    scene = Scene()
    controller = scene.machine.controllers[0]

    def hang() -> None:
        scene.second.stalled = True

    def crash_when_undoing() -> None:
        if scene.world.stored.phase == "undoing":
            raise Crash

    def meddle(step: str) -> None:
        {"read runs under the hold": hang, "written": crash_when_undoing}.get(step, lambda: None)()

    scene.world.meddle = meddle
    with suppress(Crash):
        controller.tick()
    scene.world.meddle = lambda _step: None
    assert (scene.world.stored.revision, scene.world.stored.phase) == (scene.old, "undoing")
    scene.second.stalled = False
    scene.start(scene.second)
    scene.tick(ModelController(scene.world))
    assert (scene.world.stored.revision, scene.world.stored.phase) == (scene.old, "published")
    assert scene.run.revisions == {scene.old}
    assert {(pod.current, pod.settled) for pod in scene.world.pods.values()} == {(scene.old, True)}
