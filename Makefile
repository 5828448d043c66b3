# `make` alone explains itself; every target installs what it needs into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
READY_TEST := .venv/.ready-test

help:  ## say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(READY)  ## run manifests/demo.csv on the emulator, without a key and without cost
	$(BIN)/batchgen run manifests/demo.csv --emulator --batch demo.batch

test: $(READY_TEST)  ## run the tests
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: $(READY_TEST)  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY_TEST)  ## measure batchgen against a plain client, side by side
	$(BIN)/python -m tests.bench

bench-full: $(READY_TEST)  ## the same at all sizes
	$(BIN)/python -m tests.bench --full

soak: $(READY_TEST)  ## kill it for twenty minutes, with every fault mixed in, and count what was paid
	$(BIN)/python -m tests.proof.soak

pictures: $(READY_TEST)  ## take the README's pictures anew, of the demo (needs Chromium)
	$(BIN)/python -m tests.pictures

readme: $(READY_TEST)  ## write anew what the README says of commands and options
	$(BIN)/python -m tests.readme

clean:  ## remove what was made here, the demo's videos too
	rm -rf .venv build *.egg-info demo.batch .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@echo "installing batchgen into .venv, once; this takes about a minute"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(READY_TEST): $(READY)
	@echo "installing what the tests need, once"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test
	@touch $@

.PHONY: help demo test lint bench bench-full soak pictures readme clean
