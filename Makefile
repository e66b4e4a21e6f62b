# Everything runs in .venv, which is created on first use and again when a requirement file changes.
# Other versions of the dependencies have their own environments next to it.
PYTHON ?= python3
# Two tests at a time; a file stays with one process, which makes its data once.
PYTEST_ARGS ?= -n 2 --dist loadfile
# One thread for each: with more, two tests on two cores wait for each other.
test test-long test-soak test-openmmlab test-minimum test-latest: export OMP_NUM_THREADS ?= 1

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
REQUIREMENTS := requirements.txt $(wildcard requirements/*.txt)
PIP_INSTALL := $(BIN)/python -m pip install -c requirements/constraints.txt
# Every list of ours except dev.txt, docs.txt and those of a stack.
LISTS := runtime torch selfsup geo dask export hub dino test
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# mmcv of the original stack is compiled once per torch version; the wheel is kept here, even after `make clean`.
WHEELS ?= .wheels
MMLAB_PIN = $(shell sed -n 's/^$(1)==//p' requirements/constraints-openmmlab.txt)
MMCV_WHEELS = $(WHEELS)/torch-$(call MMLAB_PIN,torch)
MAX_JOBS ?= 2
# The minimum run is short: the way through the package, checkpoints that mean harm, a scene. MINIMUM_TORCH=2.13.0 takes
# that torch instead of the oldest allowed, which comes with gigabytes for CUDA; exports need it, and are tried then.
MINIMUM_TORCH ?=
MINIMUM := .venv-minimum$(MINIMUM_TORCH:%=-torch-%)
# transformers wants newer versions of what others allow to be older.
MINIMUM_LISTS := mm $(filter-out dino $(if $(MINIMUM_TORCH),,export),$(LISTS))
MINIMUM_TESTS := tests/test_smoke.py tests/test_checkpoints $(if $(MINIMUM_TORCH),tests/test_deploy) \
	tests/test_engine/test_resume.py tests/test_apis/test_detector.py

.DEFAULT_GOAL := help
.PHONY: help install demo study test test-long test-soak test-openmmlab test-minimum test-latest lint docs docs-links qgis-plugin release-check clean

help: ## show this list
	@echo "make TARGET [PYTHON=python3.11] [PYTEST_ARGS='-n 2']"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-15s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv with the exact versions that were tested

demo: $(STAMP) ## train and show a small model on drawn scenes; needs no data
	$(BIN)/python tools/demo.py

study: $(STAMP) ## measure how many labels pre-training saves (about 80 minutes on 2 cores; continues if interrupted)
	$(BIN)/python tools/study.py

test: $(STAMP) ## the fast tests
	$(BIN)/python -m pytest -m "not long" $(PYTEST_ARGS)

test-long: $(STAMP) ## the tests that train or take longer than a few seconds
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

test-soak: $(STAMP) ## the long tests at their full counts: 50 kills, 21,000 damaged files
	SOAK=1 $(BIN)/python -m pytest -m long $(PYTEST_ARGS)

# Besides the fast tests, the few long ones that train, test and resume, since they use the differences of the stacks.
# Without the tests of what does not use a stack: files, rasters, polygons, and the repository itself.
WITHOUT_STACK := $(addprefix tests/test_,geo utils data_tools docs hostile qgis repository.py release.py contributing.py \
	security.py portability.py weights_page.py)
test-openmmlab: .venv-openmmlab/.installed ## the fast tests of what uses a stack, and trainings, on the original one
	.venv-openmmlab/bin/python -m pytest -m "not long or stack" $(WITHOUT_STACK:%=--ignore=%) $(PYTEST_ARGS)

test-minimum: $(MINIMUM)/.installed ## a short run on the oldest versions allowed (downloads CUDA libraries with torch)
	$(MINIMUM)/bin/python -m pytest -m "not long" $(MINIMUM_TESTS) $(PYTEST_ARGS)

test-latest: PINNED := test_constraints_pin_what_the_requirements_pull_in
test-latest: ## the fast tests on the newest versions allowed, fetched again each time
	$(call new_venv,.venv-latest)
	.venv-latest/bin/python -m pip install --upgrade setuptools -e ".[mm,selfsup,geo,dask,export,hub,dino,test]"
	$(call finish_venv,.venv-latest)
	.venv-latest/bin/python -m pytest -m "not long" --deselect tests/test_repository.py::$(PINNED) $(PYTEST_ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

# -W: a broken link or anchor, a page in no table of contents, a tutorial that fails, all end the build.
SPHINX := $(BIN)/python -m sphinx -c docs -W --keep-going -j 2

docs: $(VENV)/.docs ## build the documentation site into docs/_build/html; runs the tutorials and checks internal links
	$(SPHINX) -b html . docs/_build/html
	$(BIN)/python -m pytest tests/test_docs

docs-links: $(VENV)/.docs ## check the external links of the documentation
	$(SPHINX) -b linkcheck -D nb_execution_mode=off . docs/_build/links

qgis-plugin: ## pack the QGIS plugin as dist/schanger_changes.zip; needs no environment
	$(PYTHON) qgis/pack.py dist

# What it builds is left in dist/; RELEASE_TAG=v1.2.3 is compared with the version.
release-check: $(STAMP) ## versions, clean tree, sdist and wheel, and the tests of what is given away
	$(BIN)/python .ci/release_check.py
	$(BIN)/python -m pytest tests/test_repository.py tests/test_release.py tests/test_packaging.py

clean: ## remove the environments and the leftovers of builds and tests
	rm -rf $(VENV) .venv-* build dist docs/_build docs/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call new_venv,FOLDER): create an empty environment, unless it exists.
define new_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: PYTHON=$(PYTHON) must be Python 3.11 or newer, found: $$($(PYTHON) --version 2>&1)."; \
		echo "       Name another one: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make virtual environments (no ensurepip)."; \
		echo "       On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	@rm -f $(1)/.installed
	@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
		echo "Making $(1) with $$($(PYTHON) --version)"; $(PYTHON) -m venv --clear $(1); }
endef

# $(call finish_venv,FOLDER,CONSTRAINTS): install headless OpenCV if needed, and import the package once.
# The stamp is written last, so an interrupted install starts again on the next call.
define finish_venv
	@$(1)/bin/python -c 'import cv2' 2>/dev/null || { \
		echo "OpenCV finds no libGL or libxcb here: taking its build without windows."; \
		$(1)/bin/python -m pip uninstall --yes --quiet opencv-python; \
		$(1)/bin/python -m pip install $(2) --force-reinstall --no-deps opencv-python-headless; }
	$(1)/bin/python -c 'import schanger_mm; print("schanger_mm", schanger_mm.__version__, "is ready")'
	@touch $(1)/.installed
endef

$(STAMP): setup.py pyproject.toml $(REQUIREMENTS)
	$(call new_venv,$(VENV))
	$(PIP_INSTALL) -r requirements.txt -r requirements/selfsup.txt -r requirements/geo.txt -r requirements/dask.txt \
		-r requirements/export.txt -r requirements/hub.txt -r requirements/dino.txt -r requirements/test.txt \
		-r requirements/dev.txt
	$(BIN)/python -m pip install --no-build-isolation --no-deps -e .
	$(call finish_venv,$(VENV),-c requirements/constraints.txt)

$(VENV)/.docs: $(STAMP) requirements/docs.txt
	$(PIP_INSTALL) -r requirements/docs.txt
	@touch $@

# torch is installed first and mmcv is compiled against it. A wheel for another torch would be found and fail on import:
# pip's own cache does not distinguish them, so wheels are kept by torch version.
.venv-openmmlab/.installed: setup.py pyproject.toml $(REQUIREMENTS)
	$(call new_venv,.venv-openmmlab)
	.venv-openmmlab/bin/python -m pip install -c requirements/constraints-openmmlab.txt torch numpy setuptools wheel ninja
	@tag=$$(.venv-openmmlab/bin/python -c 'import sys; print("cp%d%d" % sys.version_info[:2])'); \
	ls $(MMCV_WHEELS)/mmcv-$(call MMLAB_PIN,mmcv)-$$tag-*.whl 2>/dev/null || { \
		echo "Compiling mmcv with $(MAX_JOBS) jobs: minutes, once; the wheel is kept in $(MMCV_WHEELS)."; \
		MAX_JOBS=$(MAX_JOBS) MMCV_WITH_OPS=1 PATH="$(CURDIR)/.venv-openmmlab/bin:$$PATH" \
		.venv-openmmlab/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation -w $(MMCV_WHEELS) \
			mmcv==$(call MMLAB_PIN,mmcv); }
	.venv-openmmlab/bin/python -m pip install -c requirements/constraints-openmmlab.txt --find-links $(MMCV_WHEELS) \
		--only-binary mmcv $(LISTS:%=-r requirements/%.txt) -r requirements/openmmlab.txt
	.venv-openmmlab/bin/python -m pip install --no-build-isolation --no-deps -e .
	$(call finish_venv,.venv-openmmlab,-c requirements/constraints-openmmlab.txt)

$(MINIMUM)/.installed: setup.py pyproject.toml tests/minimum_versions.py $(REQUIREMENTS)
	$(call new_venv,$(MINIMUM))
	$(PYTHON) tests/minimum_versions.py $(MINIMUM_LISTS) > $(MINIMUM)/pins.txt
	$(if $(MINIMUM_TORCH),sed -i 's/^torch==.*/torch==$(MINIMUM_TORCH)/' $(MINIMUM)/pins.txt)
	$(MINIMUM)/bin/python -m pip install -c $(MINIMUM)/pins.txt $(MINIMUM_LISTS:%=-r requirements/%.txt)
	$(MINIMUM)/bin/python -m pip install --no-deps -e .
	$(call finish_venv,$(MINIMUM))
