# make demo    a container on this machine within a minute; leaves nothing behind but .venv
# make test    everything the tests need, and all tests (root)
# make lint    what a change has to pass before it is looked at
# make bench   figures beside Docker's, as ratios of one run
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHONS := src tests tools hatch_build.py $(wildcard bench examples)
NATIVE := $(wildcard native/*.c native/*.h native/Makefile)

.PHONY: demo test lint format bench native sanitized clean
.DELETE_ON_ERROR:

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { echo "install Python's venv first: apt install python3-venv" >&2; exit 1; }

$(READY): pyproject.toml hatch_build.py $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

$(VENV)/.run: pyproject.toml hatch_build.py $(NATIVE) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	touch $@

native: $(READY)

sanitized: $(READY)
	$(MAKE) -s -C native SANITIZE=1 OUT=$(CURDIR)/native/build/sanitized

# a developer's venv serves too, and is not replaced
demo: $(if $(wildcard $(READY)),$(READY),$(VENV)/.run)
	@PYTHONDONTWRITEBYTECODE=1 $(BIN)/python tools/demo.py

test: $(READY)
	tools/test-packages
	$(BIN)/python tools/run_tests.py

lint: $(READY)
	$(BIN)/ruff format --check $(PYTHONS)
	$(BIN)/ruff check $(PYTHONS)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_sizes.py src tests tools $(wildcard bench examples)
	$(MAKE) -s -C native lint

format: $(READY)
	$(BIN)/ruff format $(PYTHONS)
	$(BIN)/ruff check --fix $(PYTHONS)

bench: $(READY)
	$(BIN)/python -m bench.run

clean:
	rm -rf native/build src/estiba/bin dist build
