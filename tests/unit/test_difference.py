"""The changes that `make apply` shows before it asks."""

from __future__ import annotations

import pytest

from hack.operate.difference import counted, readable


def section(file: str, *lines: str) -> str:
    """One object of `kubectl diff`, in files as kubectl names them."""
    head = f"diff -u -N /tmp/LIVE-1/{file} /tmp/MERGED-2/{file}\n"
    stamp = "\t2026-11-24 20:05:48.607130411 +0000"
    return f"{head}--- /tmp/LIVE-1/{file}{stamp}\n+++ /tmp/MERGED-2/{file}{stamp}\n" + "".join(f"{x}\n" for x in lines)


REPLICAS = ("@@ -4,7 +4,7 @@", "-  generation: 6", "+  generation: 7", " spec:", "-  replicas: 1", "+  replicas: 2")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param(
            section("apps.v1.Deployment.airflow.prod-scheduler", *REPLICAS),
            "=== Deployment prod-scheduler\n spec:\n-  replicas: 1\n+  replicas: 2\n",
            id="changed",
        ),
        pytest.param(
            section("v1.ConfigMap.airflow.prod-hosts-98c2", "@@ -0,0 +1,2 @@", "+kind: ConfigMap", "+  uid: 1"),
            "=== ConfigMap prod-hosts-98c2 is new\n",
            id="new",
        ),
        pytest.param(
            section("apps.v1.Deployment.airflow.x", "@@ -1 +1 @@", "-  generation: 6", "+  generation: 7", " spec: {}"),
            "",
            id="counted-by-the-server-only",
        ),
        pytest.param(
            section("v1.Secret.airflow.prod-x", "@@ -1 +1 @@", "-  key: '***'", "+  key: '****'", "   other: c2VjcmV0"),
            "=== Secret prod-x differs; its values are not shown\n",
            id="secret",
        ),
        pytest.param(
            section("rbac.authorization.k8s.io.v1.ClusterRole..a.b", "@@ -1 +1 @@", "-  x: 1"),
            "=== ClusterRole a.b\n-  x: 1\n",
            id="without-a-namespace",
        ),
    ],
)  # fmt: skip
def test_what_is_shown(output: str, expected: str) -> None:
    assert readable(output) == expected


def test_objects_are_counted() -> None:
    both = readable(
        section("apps.v1.Deployment.airflow.a", *REPLICAS) + section("v1.Service.airflow.b", "@@ -1 +1 @@", "+  x: 1")
    )
    assert counted(both) == "2 objects"
    assert counted("=== Namespace data is new\n") == "1 object"
