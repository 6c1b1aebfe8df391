"""The Go modules of the add-ons' programs."""

from __future__ import annotations

from pathlib import Path

from hack.lab.node.build import Module

FOLDER = Path(__file__).parent / "go"

METRICS_SERVER = Module(
    "metrics-server",
    "sigs.k8s.io/metrics-server",
    variables="-X k8s.io/component-base/version.gitVersion={version}",
    parent=FOLDER,
)
KEDA = Module(
    "keda",
    "github.com/kedacore/keda/v2",
    variables="-X github.com/kedacore/keda/v2/version.Version={version}-postgresql",
    renamed=(("operator", "keda-operator"), ("adapter", "keda-adapter")),
    parent=FOLDER,
)
TRAEFIK = Module(
    "traefik",
    "github.com/traefik/traefik/v3",
    variables="-X github.com/traefik/traefik/v3/pkg/version.Version={version}",
    parent=FOLDER,
)
KUBE_ROUTER = Module(
    "kube-router",
    "github.com/cloudnativelabs/kube-router/v2",
    variables="-X github.com/cloudnativelabs/kube-router/v2/pkg/version.Version={version}",
    parent=FOLDER,
)
JAEGER = Module(
    "jaeger",
    "github.com/jaegertracing/jaeger",
    variables="-X github.com/jaegertracing/jaeger/internal/version.latestVersion={version}",
    parent=FOLDER,
)
PROMETHEUS = Module(
    "prometheus",
    "github.com/prometheus/prometheus",
    tags="remove_all_sd,enable_kubernetes_sd",  # without the clients for clouds, which take most of the build's time
    parent=FOLDER,
)
PROMETHEUS_OPERATOR = Module("prometheus-operator", "github.com/prometheus-operator/prometheus-operator", parent=FOLDER)
VERSITYGW = Module("versitygw", "github.com/versity/versitygw", parent=FOLDER)
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
