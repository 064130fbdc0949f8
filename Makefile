# Two commands set everything up on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test env servers lint types tests docs lock clean

run: env                ## create the environment and show Muster on this very machine
	$(BIN)/muster demo

test: env servers lint types tests   ## everything CI runs

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

servers:                ## the real servers the tests talk to, from Debian, idempotently
	sh tests/install-servers.sh

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: env
	$(BIN)/mypy

tests: env              ## all that bear neighbours, the two Shows side by side, then those that measure time, alone
	$(BIN)/pytest -q -n 2 -m "not alone and not show"
	$(BIN)/pytest -q -n 2 --dist loadfile -m show
	$(BIN)/pytest -q -m alone

docs: env               ## what is generated from the code
	$(BIN)/python -m probes.docs > docs/probes.md

lock:                   ## refresh requirements.lock (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
