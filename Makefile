# The verbs of this project; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -o errexit -o nounset -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STRICT ?= 0
PYTEST_ARGS ?=
# Tests wait for machines and engines: three at a time keep two processors busy. Those of one file stay together.
LANES ?= 3
# A checkout may be run where writing byte code is switched off: then every start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

# Of the requirements, what installs the others: in a minute what takes pip five.
UV = awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements/dev.txt

.PHONY: help setup demo test prepared suite lint format docs bench wheel lock clean

help: ## Show this
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "daskfleet needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) \
		|| { echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r <($(UV))
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

setup: $(READY) ## Make .venv with the pinned requirements and this checkout

demo: $(READY) ## Bring up a local fleet, run a real data set on it, take it down
	$(BIN)/python examples/demo.py

test: $(READY) ## Run the tests; STRICT=1 as continuous integration does
ifeq ($(STRICT),1)
	tests/install-system-packages
	$(MAKE) --jobs=3 lint docs prepared
	$(MAKE) suite
else
	$(BIN)/python -m pytest $(PYTEST_ARGS)
endif

# What tests share and takes long: the engine and the image.
prepared: $(READY)
	cd tests && ../$(BIN)/python -m prepare

# Files that take long are begun first: see tests/conftest.py.
suite: $(READY)
	DASKFLEET_STRICT=1 $(BIN)/python -m pytest --numprocesses $(LANES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(READY) ## Check style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	nice $(BIN)/mypy

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(READY) ## Build the site into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(READY) ## Measure against the peers and draw the plots (minutes)
	$(BIN)/python -m benchmarks

wheel: $(READY) ## Build the wheel and the source distribution into dist/
	$(BIN)/python -m build --no-isolation

lock: $(READY) ## Pin what is new in the requirements; UPGRADE=1 renews all of them
	requirements/lock $(if $(UPGRADE),--upgrade)

clean: ## Remove what was built
	rm -rf $(VENV) build dist site .demo .mypy_cache .pytest_cache .ruff_cache
