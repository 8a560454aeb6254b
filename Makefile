# Every target sets up what it needs: on a fresh machine Python >= 3.11 and make are enough.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.storectl-ready
BENCH := $(VENV)/.storectl-bench-ready
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 20
FUZZ_TARGETS ?=

help:              ## list the targets
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml requirements-dev.txt scripts/make_env.sh
	@bash scripts/make_env.sh $(VENV)
	@touch $@

$(BENCH): $(STAMP) requirements-bench.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

env: $(STAMP)      ## make the environment

demo: $(STAMP)     ## import Docker's archives, list them, save them, compare the bytes
	@PATH="$(abspath $(BIN)):$$PATH" bash scripts/demo.sh

test: $(STAMP)     ## the whole suite, with branch coverage
	@$(BIN)/coverage erase
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n auto --dist loadgroup --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

fmt: $(STAMP)      ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)     ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)    ## mypy, strict
	$(BIN)/mypy

arch: $(STAMP)     ## who may import whom
	$(BIN)/lint-imports

migrations: $(STAMP) ## the migrations build what the code expects
	@PATH="$(abspath $(BIN)):$$PATH" bash scripts/check_migrations.sh

peers:             ## build the peers that Debian does not have, with Go
	@bash scripts/build_peers.sh regctl oras dockerd-28

interop: $(STAMP)  ## against the real Docker Engine, skopeo, podman, umoci: all of it
	@PATH="$(abspath $(BIN)):$$PATH" STORECTL_INTEROP=1 STORECTL_INTEROP_CONFIGS=$${STORECTL_INTEROP_CONFIGS:-300} STORECTL_INTEROP_DEBIAN=full $(BIN)/python -m pytest -m interop tests/interop $(PYTEST_ARGS)

interop-table: $(STAMP) ## the same for every pair of formats, written to docs/interop.md
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/interop_table.py

fuzz: $(STAMP)     ## every parser, FUZZ_SECONDS each (20), or only FUZZ_TARGETS
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

bench: $(BENCH)    ## measure beside other programs and limits; bench/README.md lists QUICK=1, ONLY=… and the like
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(LIST),--list) $(if $(REPORT),--report) $(if $(GATE),--gate) $(if $(ACCEPT),--accept)

docs: $(STAMP)     ## regenerate docs/cli.md and docs/formats/broken-inputs.md
	$(BIN)/python scripts/gen_cli_docs.py
	$(BIN)/python scripts/gen_broken_inputs.py

lock:              ## renew uv.lock and requirements-dev.txt (needs uv)
	uv lock --upgrade
	uv export --quiet --locked --no-emit-project --format requirements-txt --output-file requirements-dev.txt
	uv export --quiet --locked --only-group bench --format requirements-txt --output-file requirements-bench.txt

check: lint types arch migrations test ## what CI runs

clean:             ## remove the environment and everything made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .grimp_cache .import_linter_cache .coverage* build dist *.egg-info

.PHONY: help env demo test fmt lint types arch migrations peers interop interop-table fuzz bench docs lock check clean
