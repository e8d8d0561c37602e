# The two commands of the README are `make demo` and `make test`: they set up everything they need.
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
JOBS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
BIN := $(VENV)/bin

.PHONY: help demo test lint format bench lock clean
help: ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.ready ## three months of a made-up organisation: reports, drops, findings, in demo/
	@if [ -e $(DEMO)/audit.toml ]; then \
		$(BIN)/audit-pipelines --home $(DEMO) status; \
		echo "the demo is there already: remove $(DEMO)/ to start again"; \
	else $(BIN)/audit-pipelines demo $(DEMO); fi

test: $(VENV)/.ready ## all tests
	@PYTHON=$(PYTHON) .ci/system test
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup

lint: $(VENV)/.ready ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.ready ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready ## measure each stage against its plain limit; writes bench/RESULTS.md
	$(BIN)/python -m bench

$(VENV)/.ready: pyproject.toml requirements.lock
	@PYTHON=$(PYTHON) .ci/system
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: ## pin all dependencies again, by version and hash
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --group dev pyproject.toml -o requirements.lock

clean: ## remove the environment and caches (never a home)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
