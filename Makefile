# Everything runs in .venv, which is made on first use and again when a requirement file changes.
PYTHON ?= python3
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
REQUIREMENTS := requirements.txt $(wildcard requirements/*.txt)
PIP_INSTALL := $(BIN)/python -m pip install -c requirements/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo study test test-long test-soak lint clean

help: ## show this list
	@echo "make TARGET [PYTHON=python3.11] [PYTEST_ARGS='-n 2']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-12s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv with the exact versions that were tested

demo: $(STAMP) ## train and show a small model on pictures made on the spot
	$(BIN)/python tools/demo.py

study: $(STAMP) ## how many labels a start saves, on drawn scenes (under an hour on 2 cores; goes on where it stopped)
	$(BIN)/python tools/study.py

test: $(STAMP) ## the fast tests
	$(BIN)/python -m pytest -m "not long" $(PYTEST_ARGS)

test-long: $(STAMP) ## the tests that train or take longer than a few seconds
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

test-soak: $(STAMP) ## the long tests at their full counts: 50 kills, 21,000 damaged files
	SOAK=1 $(BIN)/python -m pytest -m long $(PYTEST_ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

clean: ## remove .venv and everything that builds and tests leave behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so an interrupted install starts again on the next call.
$(STAMP): setup.py pyproject.toml $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "error: PYTHON=$(PYTHON) must be Python 3.10 or newer, found: $$($(PYTHON) --version 2>&1)."; \
		echo "       Name another one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make virtual environments (no ensurepip)."; \
		echo "       On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@rm -f $@
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		echo "Making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(VENV); }
	$(PIP_INSTALL) -r requirements.txt -r requirements/selfsup.txt -r requirements/geo.txt -r requirements/dask.txt \
		-r requirements/export.txt -r requirements/test.txt -r requirements/dev.txt
	$(BIN)/python -m pip install --no-build-isolation --no-deps -e .
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
		echo "OpenCV finds no libGL or libxcb here: taking its build without windows."; \
		$(BIN)/python -m pip uninstall --yes --quiet opencv-python; \
		$(PIP_INSTALL) --force-reinstall --no-deps opencv-python-headless; }
	$(BIN)/python -c 'import schanger_mm; print("schanger_mm", schanger_mm.__version__, "is ready")'
	@touch $@
