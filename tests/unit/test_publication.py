"""The publication protocol against a small model of the world, which acts between any two steps of a controller."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.examples import examples
from tests.unit.model import Crash, ModelController, ModelPod, ModelRun, World

if TYPE_CHECKING:
    from collections.abc import Callable


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
    max_examples=examples(1000), stateful_step_count=12, deadline=None, database=None, derandomize=True,
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
