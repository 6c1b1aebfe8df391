"""`from-helm` reads what people have, or says in a sentence why not."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.operate.errors import Failure
from hack.operate.helm import values
from hack.operate.overlay import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PLAIN: dict[str, Any] = {"executor": "LocalExecutor", "scheduler": {"replicas": 2}}
TEXT = yaml.safe_dump(PLAIN)
BESIDE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "airflow"}}


def of_kind(kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.org/v1", "kind": kind, "metadata": {"name": "airflow"}, "spec": spec}


WRAPPED = {
    "plain": [PLAIN],
    "after an empty document": [None, PLAIN],
    "umbrella chart": [{"airflow": PLAIN, "other": {"image": "x"}}],
    "umbrella chart with an alias": [{"orchestrator": PLAIN, "global": {"a": 1}}],
    "Flux": [BESIDE, of_kind("HelmRelease", values=PLAIN)],
    "Argo CD, as text": [of_kind("Application", source={"helm": {"values": TEXT}})],
    "Argo CD, as an object": [of_kind("Application", sources=[{"ref": "x"}, {"helm": {"valuesObject": PLAIN}}])],
    "Argo CD, with a parameter": [
        of_kind(
            "Application",
            source={
                "helm": {
                    "valuesObject": {**PLAIN, "scheduler": {}},
                    "parameters": [{"name": "scheduler.replicas", "value": 2}],
                }
            },
        )
    ],
    "set of Argo CD": [of_kind("ApplicationSet", template={"spec": {"source": {"helm": {"valuesObject": PLAIN}}}})],
    "k3s": [of_kind("HelmChart", valuesContent=TEXT)],
    "Kustomize": [{"helmCharts": [{"name": "airflow", "valuesInline": PLAIN}]}],
}


def read(directory: Path, *contents: bytes | str) -> values.Values:
    files = []
    for number, content in enumerate(contents):
        files.append(directory / f"{number}.yaml")
        files[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
    return values.read(files)


@pytest.mark.parametrize("documents", WRAPPED.values(), ids=WRAPPED)
def test_values_are_unwrapped(documents: list[Any], tmp_path: Path) -> None:
    assert read(tmp_path, yaml.safe_dump_all(documents)) == PLAIN


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_encoding_with_a_mark_is_read(encoding: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"labels: {{team: é}}\n{TEXT}".encode(encoding))["labels"] == {"team": "é"}


def test_of_several_files_the_last_counts_and_null_removes(tmp_path: Path) -> None:
    second = "{executor: null, scheduler: {resources: {}}, dags: {gitSync: {ref: main}}}"
    assert read(tmp_path, TEXT, second) == {
        "scheduler": {"replicas": 2, "resources": {}},
        "dags": {"gitSync": {"ref": "main"}},
    }


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert values.read([values.STANDARD_INPUT]) == PLAIN


BOMB = "".join(f"a{n}: &a{n} [{', '.join(['*a' + str(n - 1)] * 9)}]\n" for n in range(1, 20))
MERGES = "".join(f"b{n}: &b{n} {{<<: [{', '.join(['*b' + str(n - 1)] * 9)}]}}\n" for n in range(1, 20))
WRONG = {
    "Latin-1": ("labels: {team: é}".encode("latin-1"), "is not UTF-8, see byte 15: `iconv"),
    "half a UTF-16": (b"\xff\xfea", "is not UTF-8"),
    "bytes": (bytes(range(256)), "is not"),
    "an anchor of itself": ("executor: &a [*a]", "has an anchor that refers to itself, in line 1"),
    "a mapping of itself": ("dags: &a {x: *a}", "has an anchor that refers to itself"),
    "aliases": ("a0: &a0 [x]\n" + BOMB, "values when its aliases are followed"),
    "merges": ("b0: &b0 {x: 1}\n" + MERGES, "values when its aliases are followed"),
    "61 levels": ("dags: " + "[" * 61 + "]" * 61, "deeper than 60 levels"),
    "1500 levels": ("dags: " + "[" * 1500 + "]" * 1500, "deeper than 60 levels"),
    "a key twice": ("dags: {}\nexecutor: x\ndags: {}", "the key dags is there twice, in lines 1 and 3"),
    "a template": ("executor: {{ .Values.executor }}", "it is a template (render it first)"),
    "a template of blocks": ("{{- if .x }}\nexecutor: x", "is a template (render it first)"),
    "a list as a key": ("? [a]\n: b", "has a list or a mapping as a key"),
    "nothing": ("", "has no values"),
    "a list": ("- executor", "has no values"),
    "a word": ("executor", "has no values"),
    "another object": (yaml.safe_dump(BESIDE), "has no values"),
    "another chart": ("replicaCount: 3\nservice: {type: x}", "has no value of the official Airflow chart or"),
    "Bitnami": (
        "auth: {username: user}\nworker: {replicaCount: 2}\nweb: {baseUrl: x}",
        "has values of Bitnami's chart (auth, worker)",
    ),
    "two releases": (
        yaml.safe_dump_all([of_kind("HelmRelease", values=PLAIN)] * 2),
        "has values of 2 releases: keep one",
    ),
    "two charts": (yaml.safe_dump({"a": PLAIN, "b": PLAIN}), "has values of several charts, below a, b"),
    "files of Argo CD": (
        yaml.safe_dump(of_kind("Application", source={"helm": {"valueFiles": ["a.yaml", "b.yaml"]}})),
        "names files of values: give those, in their order (a.yaml, b.yaml)",
    ),
    "values of Flux elsewhere": (
        yaml.safe_dump(of_kind("HelmRelease", valuesFrom=[{"kind": "ConfigMap"}])),
        "takes its values from other objects (valuesFrom)",
    ),
    "a helmfile": ("releases: [{name: airflow}]", "is a helmfile"),
    "a date that is none": ("dags: 2024-02-31", "is not YAML"),
}


@pytest.mark.parametrize(("content", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_read_is_a_sentence(content: bytes | str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(Failure) as raised:
        read(tmp_path, content)
    assert sentence in str(raised.value)


def test_the_command_refuses_without_a_traceback(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_bytes(b"a: \xe9")
    command = [sys.executable, str(CHECKOUT / "hack/kube-airflow"), "from-helm", str(file), "--name", "never-written"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode
    assert "iconv" in ended.stderr
    assert "Traceback" not in ended.stderr
