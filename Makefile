# The five commands anyone needs. Each does its own set-up on a machine with python3 (3.11 or later) and make.
.PHONY: setup demo test check bench clean
.DEFAULT_GOAL := demo

VENV := .venv
PYTHON ?= python3
# A tool of the machine's own is used where there is one; otherwise uv goes into the environment it makes.
UV = $(if $(shell command -v uv 2>/dev/null),uv,$(VENV)/bin/uv)
export UV_PROJECT_ENVIRONMENT := $(VENV)
RUN := $(VENV)/bin
SYNC = $(UV) sync --quiet --locked --inexact --compile-bytecode --python $(VENV)/bin/python
# uv compiles what it installs, and headgate itself is only linked to: with PYTHONDONTWRITEBYTECODE set every start would
# compile it again. Where it cannot be written down, nothing but speed is lost.
COMPILE = $(RUN)/python -m compileall -qq server proxy tools || true

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "headgate needs Python 3.11 or later; this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.setup: pyproject.toml uv.lock | $(VENV)/bin/python
	@$(SYNC)
	@$(COMPILE)
	@touch $@

# The official servers that the tests talk to: two from PyPI, three and the Inspector from npm (its Node too, if need be).
$(VENV)/.real: pyproject.toml uv.lock $(VENV)/.setup tests/real/node_modules/.installed tests/real/documents/api.github.com.json
	@$(SYNC) --group real
	@touch $@

tests/real/node_modules/.installed: tests/real/package.json tests/real/package-lock.json tests/real/install_npm.py $(VENV)/.setup
	@$(RUN)/python tests/real/install_npm.py
	@touch $@

tests/real/documents/api.github.com.json: tests/real/fetch_openapi.py $(VENV)/.setup
	@$(RUN)/python tests/real/fetch_openapi.py
	@touch $@

$(VENV)/.bench: pyproject.toml uv.lock bench/package.json bench/package-lock.json $(VENV)/.real
	@$(SYNC) --group real --group bench
	@$(RUN)/python tests/real/install_npm.py bench
	@touch $@

setup: $(VENV)/.setup  ## make .venv with headgate in it
	@echo "headgate is in $(VENV)/bin/headgate"

demo: $(VENV)/.setup  ## see what a batch saves, on sample tool servers
	@$(RUN)/headgate demo

test: $(VENV)/.real  ## every test, those against real servers too
	@$(RUN)/pytest -q

check: $(VENV)/.setup  ## lint, format, types, layering
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/lint-imports --no-cache
	@$(RUN)/pyright

bench: $(VENV)/.bench  ## headgate beside its floors and rivals
	@$(COMPILE)
	@$(RUN)/python bench/run.py
	@$(RUN)/python bench/machine.py
	@$(RUN)/python bench/stdio_client.py

clean:  ## throw the environment away
	@rm -rf $(VENV) tests/real/node_modules tests/real/documents bench/node_modules
