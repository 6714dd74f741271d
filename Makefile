# `make demo` and `make test` need nothing before them but Python 3.13, Node 20 and make.
PYTHON ?= python3.13
BIN := .venv/bin
# No option names an index and no line an address: where packages come from is for the installing user to say.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
  --no-config --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup demo up example test test-all chaos clients az-tour pictures package azure-smoke check lint format types lock clean

help:
	@echo "Run it"
	@echo "  make demo      three files through the whole system, in a throwaway folder"
	@echo "  make up        the local stack: Azurite, the Batch emulator, a Functions host; until Ctrl-C"
	@echo "  make example   one of the examples/ on a throwaway stack: NAME=word-counts"
	@echo
	@echo "Change it"
	@echo "  make check     what a change must pass: format, lint, types, tests"
	@echo "  make test      the tests, without the slow ones"
	@echo "  make test-all  all tests, as CI runs them, with their coverage"
	@echo "  make format    let ruff format the code, and mdformat the documents"
	@echo "  make pictures  the docs' pictures of the dashboard; needs a Chromium"
	@echo "  make lock      requirements*.txt from requirements*.in, with hashes"
	@echo
	@echo "On Azure: docs/azure.md"
	@echo "  make package   what is deployed, for Linux and Python 3.13: build/app and build/app.zip"
	@echo "  make azure-smoke  three files through the deployed app, after azd up; SMOKE=\"--prefix photos/ my/photos\" for yours"
	@echo
	@echo "Try it hard"
	@echo "  make chaos     files dropped while everything fails at random, three minutes; SEED=7 for the same again"
	@echo "  make clients   old and foreign clients, Airflow's among them, against the Batch emulator; installs them first (700 MB)"
	@echo "  make az-tour   the az command line against the Batch emulator; installs it first (400 MB)"
	@echo
	@echo "  make setup     what all of them do first: install everything into this folder"
	@echo "  make clean     remove what setup installed, local state and certificates"

setup: .venv/installed node_modules/installed

.venv/installed: requirements.txt requirements-dev.txt pyproject.toml
	@sh local/prerequisites.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the Python packages (about a minute)..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt >.venv/pip.log 2>&1 || \
	  { echo "make: pip could not install the packages: $$(grep -m 1 ERROR .venv/pip.log) (all of it: .venv/pip.log)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . >>.venv/pip.log 2>&1 || \
	  { echo "make: pip could not install the batchdrop command (all of it: .venv/pip.log)" >&2; exit 1; }
	@touch $@

node_modules/installed: package.json package-lock.json
	@sh local/prerequisites.sh $(PYTHON)
	@echo "Installing Azurite..."
	@npm ci --no-audit --no-fund --loglevel=error --no-update-notifier
	@touch $@

demo: setup
	$(BIN)/python -m local demo

up: setup
	$(BIN)/python -m local up

example: setup
	$(BIN)/python -m local example $(NAME)

# Every worker starts an Azurite and an emulator of its own: more than four would not be faster for what they need.
# Where bytecode is not to be written, each of the processes that tests start would compile all that it imports.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup
	$(PYTEST) -m "not slow"

# Coverage is measured in every process that a test starts, and may not fall below the gate in pyproject.toml.
test-all: setup
	$(PYTEST) --cov

clients: setup
	$(BIN)/python -m tests.batch_emulator.clients

az-tour: setup
	$(BIN)/python -m tests.batch_emulator.az_tour

# Any Python from 3.9 on does: it only fetches.
package:
	@"$$(command -v $(PYTHON) || command -v python3 || echo python)" infra/scripts/package.py

azure-smoke: setup
	@$(BIN)/python infra/scripts/smoke.py $(SMOKE)

pictures: setup
	$(BIN)/python -m tests.page.pictures

chaos: setup
	$(BIN)/python -m chaos $(if $(SEED),--seed $(SEED)) $(CHAOS)

format: setup
	$(BIN)/ruff format .
	$(BIN)/mdformat .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/typos
	$(BIN)/mdformat --check .

types: setup
	$(BIN)/mypy

lock: setup
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
	$(LOCK) requirements-telemetry.in -o requirements-telemetry.txt

check: lint types test

clean:
	rm -rf .venv batchdrop.egg-info node_modules .import_linter_cache .coverage* .stack .sdk-tests .batch-emulator certificates
