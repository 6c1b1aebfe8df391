"""The tools' programs, built from pinned Go modules as the node's are."""

from __future__ import annotations

from pathlib import Path

from hack.node.build import Module

FOLDER = Path(__file__).parent / "go"

ARGOCD = Module(
    "argocd",
    "github.com/argoproj/argo-cd/v3",
    variables="-X github.com/argoproj/argo-cd/v3/common.version={version}",
    renamed=(("cmd", "argocd"),),
    parent=FOLDER,
)
KUSTOMIZE = Module("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", parent=FOLDER)
SECRETS = Module("secrets", "github.com/getsops/sops/v3", parent=FOLDER)
SEALED_SECRETS = Module("sealed-secrets", "github.com/bitnami/sealed-secrets", parent=FOLDER)
SOURCE_CONTROLLER = Module("source-controller", "github.com/fluxcd/source-controller", parent=FOLDER)
KUSTOMIZE_CONTROLLER = Module("kustomize-controller", "github.com/fluxcd/kustomize-controller", parent=FOLDER)
FLUX = (SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER)
