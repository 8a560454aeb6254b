# Every target makes the environment that it needs: Python >= 3.11 and make are enough.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.storectl-ready
BENCH := $(VENV)/.storectl-bench-ready
DEMO := .venv-demo
DEMO_STAMP := $(DEMO)/.storectl-ready
DOCS := .venv-docs
DOCS_STAMP := $(DOCS)/.storectl-ready
AUDIT := .venv-audit
AUDIT_STAMP := $(AUDIT)/.storectl-ready
EXPORT := uv export --quiet --locked --format requirements-txt
PYTEST_ARGS ?=
# Coverage doubles the time of a test, so it is measured separately, on the tests of single modules.
COVERED := tests/unit tests/contracts tests/migrations
# Tests wait for other processes a quarter of their time, so there are more workers than cores.
WORKERS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) * 3 / 2 )))
FUZZ_SECONDS ?= 20
EXAMPLES ?= 2000
FUZZ_TARGETS ?=

help:              ## list the targets
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml requirements-dev.txt scripts/make_env.sh
	@bash scripts/make_env.sh $(VENV) dev
	@touch $@

$(DEMO_STAMP): requirements.txt scripts/make_env.sh
	@bash scripts/make_env.sh $(DEMO) demo
	@touch $@

$(DOCS_STAMP): requirements-docs.txt scripts/make_env.sh
	@bash scripts/make_env.sh $(DOCS) docs
	@touch $@

$(AUDIT_STAMP): requirements-audit.txt scripts/make_env.sh
	@bash scripts/make_env.sh $(AUDIT) audit
	@touch $@

$(BENCH): $(STAMP) requirements-bench.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.txt
	@touch $@

env: $(STAMP)      ## make the development environment

bench-env: $(BENCH) ## add what the charts of the benchmark need

demo: $(DEMO_STAMP) ## import Docker's archives, list them, save them, compare the bytes
	@PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX="$(abspath $(DEMO))/bytecode" \
	  PATH="$(abspath $(DEMO))/bin:$$PATH" bash scripts/demo.sh

test: $(STAMP)     ## run the whole test suite, or the tests of PYTEST_ARGS
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/run_tests.py -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

coverage: $(STAMP) ## run the tests of single modules, which must cover 95 % of statements and branches
	@$(BIN)/coverage erase
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --cov \
	  --cov-report=term:skip-covered $(COVERED)

fmt: $(STAMP)      ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)     ## check rules and format with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)    ## check types with mypy, strictly
	$(BIN)/mypy

arch: $(STAMP)     ## check the import contracts
	$(BIN)/lint-imports

migrations: $(STAMP) ## check that the migrations build the schema of the code
	@PATH="$(abspath $(BIN)):$$PATH" bash scripts/check_migrations.sh

peers:             ## build the peers that Debian does not have, most of them with Go
	@bash scripts/build_peers.sh regctl oras registry-3 olareg zot dockerd-28 dockerd-29 ctr-2 \
	  containerd-2 helm helm-4 cosign buildctl buildkitd python-oras python-docker python-dxf \
	  python-async

interop: $(STAMP)  ## the tests with the real Docker Engine, skopeo, podman and umoci
	@PATH="$(abspath $(BIN)):$$PATH" STORECTL_INTEROP=1 \
	  STORECTL_INTEROP_CONFIGS=$${STORECTL_INTEROP_CONFIGS:-300} STORECTL_INTEROP_DEBIAN=full STORECTL_INTEROP_TIMES=exact \
	  STORECTL_PULL_THROUGH=full STORECTL_REGISTRIES=full \
	  $(BIN)/python -m pytest -m interop tests/interop $(PYTEST_ARGS)

clients: $(STAMP)  ## the tests with newer clients, which `make peers` builds and CI does not run
	@PATH="$(abspath $(BIN)):$$PATH" STORECTL_INTEROP=1 STORECTL_CLIENTS=1 \
	  $(BIN)/python -m pytest tests/interop/clients $(PYTEST_ARGS)

clients-table: $(STAMP) ## run the newer clients, and write their section of docs/clients.md
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/interop_table.py --newer

interop-table: $(STAMP) ## run every pair of formats, and write docs/interop.md
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python scripts/interop_table.py

round-trip: $(STAMP) ## push odd things, save and import them: EXAMPLES (2000) of the property
	@STORECTL_FUZZ=$(EXAMPLES) $(BIN)/python -m pytest -p no:cacheprovider --timeout 0 --hypothesis-show-statistics \
	  tests/property/test_closed_round_trip.py $(PYTEST_ARGS)

fuzz: $(STAMP)     ## fuzz every parser for FUZZ_SECONDS (20), or only FUZZ_TARGETS
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

reliability: $(STAMP) ## faults, power cuts, kills, a soak: docs/reliability.md (QUICK=1: a minute; SOAK=…)
	@$(BIN)/python -m tests.reliability $(if $(QUICK),--quick) $(if $(QUICK)$(ONLY),,--document docs/reliability.md) \
	  $(if $(SOAK),--soak $(SOAK)) $(if $(POINTS),--points $(POINTS)) $(if $(CUTS),--cuts $(CUTS)) \
	  $(addprefix --only ,$(ONLY))

bench: $(BENCH)    ## compare with other programs and limits (bench/README.md: QUICK=1, ONLY=…)
	@$(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(LIST),--list) $(if $(REPORT),--report) $(if $(GATE),--gate) $(if $(ACCEPT),--accept)

docs: $(STAMP)     ## regenerate schema.sql, cli.md, formats/broken-inputs.md, and architecture.md's table and drawings
	$(BIN)/python scripts/gen_schema.py
	$(BIN)/python scripts/gen_cli_docs.py
	$(BIN)/python scripts/gen_broken_inputs.py
	$(BIN)/python scripts/gen_architecture.py
	$(BIN)/python scripts/draw_architecture.py

site: $(DOCS_STAMP) ## build the documents as a web site in site/, every link checked
	@$(DOCS)/bin/python scripts/build_site.py site

audit: $(AUDIT_STAMP) ## ask whether a pinned package has a known vulnerability (needs the network)
	@$(AUDIT)/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
	  $(addprefix --requirement ,$(wildcard requirements*.txt))

sbom: $(STAMP)     ## write the release's bill of materials (CycloneDX) into dist/
	@$(BIN)/python scripts/sbom.py dist

lock:              ## renew uv.lock and the requirements files (needs uv)
	uv lock --upgrade
	$(EXPORT) --no-emit-project --no-default-groups --output-file requirements.txt
	$(EXPORT) --no-emit-project --output-file requirements-dev.txt
	$(EXPORT) --only-group build --output-file requirements-build.txt
	$(EXPORT) --only-group audit --output-file requirements-audit.txt
	$(EXPORT) --only-group bench --output-file requirements-bench.txt
	$(EXPORT) --only-group docs --output-file requirements-docs.txt

check: lint types arch migrations test site ## run what CI runs

clean:             ## remove the environments and everything built
	rm -rf $(VENV) $(DEMO) $(DOCS) $(AUDIT) site build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .grimp_cache .import_linter_cache

.PHONY: help env bench-env demo test fmt lint types arch migrations peers interop clients clients-table \
  interop-table round-trip fuzz reliability bench docs site audit sbom lock check clean
