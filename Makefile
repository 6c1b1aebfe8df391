# `make` alone lists the targets, and these variables.
# OVERLAY (dev): the directory in overlays/
# CLUSTER (embedded): embedded, a node on this machine; current, where kubectl points; none, for tests without one
# IMAGE_REGISTRY (none): where the project's images are pushed to and pulled from
# YES (none): 1 applies without asking
.DEFAULT_GOAL := help
export OVERLAY ?= dev
export CLUSTER ?= embedded
export IMAGE_REGISTRY ?=
PYTHON := python3

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; sed -n 's/^# \([A-Z_]* (.*): .*\)/\1/p' $(MAKEFILE_LIST)

.PHONY: prerequisites
prerequisites:
	@hack/prerequisites

.PHONY: up
up: prerequisites ## Bring everything up: cluster, images, secrets, the overlay, a DAG repository, a first run
	@$(PYTHON) -m hack.stack up

.PHONY: down
down: ## Stop the embedded node (CLUSTER=current: remove the overlay); data stays
	@$(PYTHON) -m hack.stack down

.PHONY: clean
clean: ## Remove the embedded node with all its data; the build cache stays
	@$(PYTHON) -m hack.node clean

.PHONY: apply
apply: ## Show what the overlay would change on the cluster, ask, apply it; YES=1 does not ask
	@$(PYTHON) -m hack.stack apply

.PHONY: status
status: ## Show pods, what is published, and why a commit is not live
	@$(PYTHON) -m hack.stack status

.PHONY: browse-web
browse-web: ## Open a way to Airflow's web page at http://127.0.0.1:8080
	@$(PYTHON) -m hack.stack browse web

.PHONY: browse-flower
browse-flower: ## Open a way to Flower at http://127.0.0.1:5555
	@$(PYTHON) -m hack.stack browse flower

.PHONY: build
build: prerequisites ## Build all images
	@$(PYTHON) -m hack.images build

.PHONY: push
push: prerequisites ## Push the project's images to IMAGE_REGISTRY
	@$(PYTHON) -m hack.images push

.PHONY: lint
lint: ## Check style and types
	@hack/bootstrap
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

.PHONY: test
test: prerequisites ## Run every test on a node of its own; CLUSTER=none leaves out what needs a node
	@hack/test

.PHONY: chaos
chaos: prerequisites ## Kill, block, remove and restore a stack on a node of its own; takes half an hour
	@TESTS=tests/chaos hack/test

.PHONY: test-upgrade
test-upgrade: prerequisites ## Apply this commit over the commit FROM (HEAD~1) while a DAG runs, on a node of its own
	@hack/bootstrap
	@.venv/bin/pytest -s tests/upgrade

.PHONY: test-components
test-components: prerequisites ## Run what components change with real servers, on a node of its own
	@TESTS=tests/components KUBE_AIRFLOW_NODE=kube-airflow-components hack/test

.PHONY: test-gitops
test-gitops: prerequisites ## Have Argo CD, then Flux deploy prod on a node of its own, with changes, a revert and removals
	@hack/bootstrap
	@.venv/bin/pytest -s tests/gitops

.PHONY: bench
bench: ## Measure pushes, holds and memory on the running cluster
	@hack/bootstrap
	@.venv/bin/python -m tests.bench.publication

.PHONY: bench-peer
bench-peer: ## Measure beside upstream git-sync: UPSTREAM is its program, or a checkout that Go builds
	@hack/bootstrap
	@.venv/bin/python -m tests.bench.peer $(UPSTREAM)
