# `make help` lists what there is; `make check test` is what CI runs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CACHE ?= $(or $(PAAS_CACHE),/var/cache/paas)
export PAAS_CACHE := $(CACHE)
BIN := .venv/bin
SYNCED := .venv/.synced

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

$(SYNCED): requirements-dev.txt pyproject.toml scripts/bootstrap
	@scripts/bootstrap
	@touch $@

PREFIX ?= /usr/local

# The launchers name their interpreter by its whole path, so they work from any folder, and the code is the
# checkout's. Without a checkout: pip install .
.PHONY: install
install: $(SYNCED) ## put paas and kubectl-paas on the PATH (PREFIX=/usr/local)
	@mkdir -p $(DESTDIR)$(PREFIX)/bin
	@ln -sfn $(CURDIR)/$(BIN)/paas $(DESTDIR)$(PREFIX)/bin/paas
	@ln -sfn $(CURDIR)/$(BIN)/kubectl-paas $(DESTDIR)$(PREFIX)/bin/kubectl-paas
	@echo "paas is $(PREFIX)/bin/paas"

.PHONY: demo
demo: $(SYNCED) ## a cluster, the platform, a project and a git push, from nothing to an HTTPS answer
	@scripts/demo

# In one `make check test` the pure tests run once: both need the same target.
.PHONY: check
check: lint test-unit ## lint, types, layers, generated files, and the pure tests

.PHONY: lint
lint: $(SYNCED) ## all of `make check` but the tests
	$(BIN)/ruff format --check paas tests benchmarks scripts
	$(BIN)/ruff check paas tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m paas.api --check
	scripts/check-requirements
	scripts/check-certificates

.PHONY: test
test: test-unit test-integration test-e2e ## everything: pure, on a real API server, on the whole cluster

.PHONY: test-unit
test-unit: $(SYNCED) ## pure tests, about two minutes
	$(BIN)/pytest -n auto --dist worksteal -m "not integration and not e2e"

.PHONY: test-integration
test-integration: $(SYNCED) ## real git, registry, Traefik; controllers against a real etcd and kube-apiserver
	$(BIN)/pytest -n auto --dist loadfile -m integration

.PHONY: test-e2e
test-e2e: $(SYNCED) ## the whole path on an embedded cluster of its own
	$(BIN)/pytest -m "e2e and not faults" tests/e2e

.PHONY: test-faults
test-faults: $(SYNCED) ## the further kills of the platform's processes, beside those of test-e2e
	$(BIN)/pytest -m faults tests/e2e

FROM ?= HEAD~1
.PHONY: test-upgrade
test-upgrade: $(SYNCED) ## a cluster of the revision FROM is brought to this one (FROM=a-git-revision)
	PAAS_UPGRADE_FROM=$(FROM) $(BIN)/pytest -m e2e tests/upgrade

.PHONY: bench
bench: $(SYNCED) ## push to live, leg by leg; figures go to benchmarks/results
	$(BIN)/python -m benchmarks.push_to_live

.PHONY: crds
crds: $(SYNCED) ## write crds/ and docs/reference/ from the models
	$(BIN)/python -m paas.api

.PHONY: format
format: $(SYNCED) ## put the code in its form
	$(BIN)/ruff format paas tests benchmarks scripts
	$(BIN)/ruff check --fix paas tests benchmarks scripts

.PHONY: lock
lock: $(SYNCED) ## resolve the dependencies again into requirements*.txt
	scripts/lock
