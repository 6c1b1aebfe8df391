"""DAGs in Airflow's image. It is last, because the node then has that image under the usual name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.operate.overlay import CHECKOUT
from tests.cluster.overlays import none_of

if TYPE_CHECKING:
    import pytest

    from tests.components.trial import Trial


def test_dags_of_the_image_run(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """embedded-dags: the image is built with the examples, and one of them runs; there is no gitsync."""
    monkeypatch.setenv("DAGS", str(CHECKOUT / "examples" / "dags"))
    made = trial.instance("embedded", "embedded-dags", replicas=none_of("triggerer"))
    instance = trial.run(made)
    instance.wait_known("hello")
    run = instance.airflow.trigger("hello")
    assert instance.wait_run(run, "hello")["bundle_version"] is None
    assert not made.get("statefulset", "--selector", "app.kubernetes.io/component=controller")["items"]
