# `make` alone lists the targets, and these variables.
# OVERLAY (dev): the directory in overlays/
# CLUSTER (embedded): embedded, a node on this machine; current, where kubectl points; none, for tests without one
# IMAGE_REGISTRY (none): where the project's images are pushed to and pulled from
# YES (none): 1 applies without asking
# TRY (none): 1 makes `release` of any checkout; the result is no release
.DEFAULT_GOAL := help
export OVERLAY ?= dev
export CLUSTER ?= embedded
export IMAGE_REGISTRY ?=
PYTHON := python3
# What an operator runs, on the cluster that CLUSTER names.
OPERATE = $(PYTHON) -m hack.lab.stack run hack/kube-airflow

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; sed -n 's/^# \([A-Z_]* (.*): .*\)/\1/p' $(MAKEFILE_LIST)

.PHONY: prerequisites
prerequisites:
	@hack/lab/prerequisites

.PHONY: up
up: prerequisites ## Bring everything up: cluster, images, secrets, the overlay, a DAG repository, a first run
	@$(PYTHON) -m hack.lab.stack up

.PHONY: down
down: ## Stop the embedded node (CLUSTER=current: remove the overlay); data stays
	@$(PYTHON) -m hack.lab.stack down

.PHONY: clean
clean: ## Remove the embedded node with all its data; the build cache stays
	@$(PYTHON) -m hack.lab.node clean

.PHONY: apply
apply: ## Show what the overlay would change on the cluster, ask, apply it; YES=1 does not ask
	@$(OPERATE) apply --overlay $(OVERLAY) $(if $(filter 1,$(YES)),--yes)

.PHONY: status
status: ## Show pods, what is published, and why a commit is not live
	@$(OPERATE) status --overlay $(OVERLAY)

.PHONY: browse-web
browse-web: ## Open a way to Airflow's web page at http://127.0.0.1:8080
	@$(OPERATE) browse web --overlay $(OVERLAY)

.PHONY: browse-flower
browse-flower: ## Open a way to Flower at http://127.0.0.1:5555
	@$(OPERATE) browse flower --overlay $(OVERLAY)

.PHONY: build
build: prerequisites ## Build all images
	@$(PYTHON) -m hack.lab.images build

.PHONY: push
push: prerequisites ## Push the project's images to IMAGE_REGISTRY
	@$(PYTHON) -m hack.lab.images push

.PHONY: release
release: prerequisites ## Write dist/vVERSION: images as OCI archives, SBOMs, wheel, overlays, checksums; TRY=1 of any checkout
	@hack/lab/bootstrap
	@.venv/bin/python -m hack.lab.release $(if $(TRY),--try)

.PHONY: lint
lint: ## Check style, types and shell scripts; every check runs, whatever the others found
	@hack/lab/bootstrap
	@hack/lint

.PHONY: unit
unit: ## Run the tests that need neither root nor a node nor servers; generated ones with a fifth of their examples
	@hack/lab/bootstrap
	@QUICK=1 .venv/bin/pytest --numprocesses=auto tests/unit

.PHONY: manifests
manifests: ## Run the tests of what the overlays build to
	@hack/lab/bootstrap
	@.venv/bin/pytest --numprocesses=auto tests/manifests

.PHONY: test
test: prerequisites ## Run every test on a node of its own; CLUSTER=none leaves out what needs a node
	@hack/test

.PHONY: test-all
test-all: prerequisites ## Like test, with every permutation, where that takes a sample
	@ALL=1 hack/test

.PHONY: chaos
chaos: prerequisites ## Kill, block, remove and restore a stack on a node of its own; takes half an hour
	@TESTS=tests/chaos hack/test

.PHONY: test-upgrade
test-upgrade: prerequisites ## Apply this commit over the commit FROM (HEAD~1) while a DAG runs, on a node of its own
	@hack/lab/bootstrap
	@.venv/bin/pytest -s tests/upgrade

.PHONY: test-components
test-components: prerequisites ## Run what components change with real servers, on a node of its own
	@TESTS=tests/components KUBE_AIRFLOW_NODE=kube-airflow-components hack/test

.PHONY: test-gitops
test-gitops: prerequisites ## Have Argo CD, then Flux deploy prod on a node of its own, with changes, a revert and removals
	@hack/lab/bootstrap
	@.venv/bin/pytest -s tests/gitops

.PHONY: bench
bench: ## Measure pushes, holds and memory on the running cluster
	@hack/lab/bootstrap
	@.venv/bin/python -m tests.bench.publication

.PHONY: bench-peer
bench-peer: ## Measure beside upstream git-sync: UPSTREAM is its program, or a checkout that Go builds
	@hack/lab/bootstrap
	@.venv/bin/python -m tests.bench.peer $(UPSTREAM)
