# make run      set up, then the quickstart: two barriers, one diffusivity, one report
# make test     set up, then style, types and tests

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUNS   := runs/quickstart
SOURCES := $(shell git ls-files drivers analysis lammps_inputs pair_styles cmake 2>/dev/null) CMakeLists.txt pyproject.toml

.PHONY: run test test-all test-pythons lint docs wheel bench clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# What the build needs, pinned by constraints.txt. torch comes first, alone: the wheel that this machine's
# index offers for that version decides between CPU and CUDA, and nothing later changes it.
QUIET_PIP := -m pip --quiet --disable-pip-version-check
PIP := $(BIN)/python $(QUIET_PIP)
$(VENV)/.dependencies: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip==26.3
	$(PIP) install --constraint constraints.txt torch==2.13.0
	$(PIP) install --constraint constraints.txt scikit-build-core cmake ninja lammps[mpi] mpich
	touch $@

# hopkin, built against that LAMMPS and torch, and what it needs to run two model families and its tests.
$(VENV)/.installed: $(VENV)/.dependencies $(SOURCES)
	rm -f $(VENV)/hopkin-*.whl
	$(PIP) wheel --no-build-isolation --no-deps --wheel-dir $(VENV) .
	$(PIP) install --no-deps --force-reinstall $(VENV)/hopkin-*.whl
	$(PIP) install --constraint constraints.txt "hopkin[sevennet,chgnet,test]"
	touch $@

# the quickstart
run: $(VENV)/.installed
	$(BIN)/hopkin doctor
	$(BIN)/hopkin barrier LiFePO4-olivine --model sevennet-0 --images 3 --supercell 1 2 1 --out $(RUNS)
	$(BIN)/hopkin barrier LiFePO4-olivine --model chgnet-0.3.0 --images 3 --supercell 1 2 1 --out $(RUNS)
	$(BIN)/hopkin md Li6PS5Cl --model chgnet-0.3.0 -T 800 --time-ps 1 --frame-interval-fs 10 --out $(RUNS)
	$(BIN)/hopkin report $(RUNS) -o $(RUNS)/report.html

# make lint     format, style and types
lint: $(VENV)/.installed
	$(BIN)/clang-format --dry-run --Werror $(wildcard pair_styles/*.cpp pair_styles/*.h pair_styles/nequip/*.cpp pair_styles/nequip/*.h)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Environments of the families that have a C++ pair style and exclude those beside hopkin.
$(VENV)/.families: $(VENV)/.installed
	$(BIN)/hopkin models install mace
	$(BIN)/hopkin models install grace
	touch $@

# the tests: files side by side, one per core; what is made once for a file stays with it
SIDE_BY_SIDE := --numprocesses $(shell nproc) --dist loadfile
test: lint docs $(VENV)/.families
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE)
	$(MAKE) test-pythons

# the same wheel under the other Pythons that are here, on the path or by pyenv, without the packages of models
python_of = $(firstword $(shell python$(1) -c 'import sys; print(sys.executable)' 2>/dev/null) \
	$(wildcard $(shell pyenv root 2>/dev/null)/versions/$(1).*/bin/python$(1)))
OTHERS := $(foreach version,3.12 3.13,$(if $(call python_of,$(version)),$(version)))
ESSENTIALS := tests/pair_styles/test_service.py tests/workflows/test_campaign.py tests/drivers/test_campaigns.py
test-pythons: $(OTHERS:%=$(VENV)/%/.installed)
	set -e; for version in $(OTHERS); do \
	  $(VENV)/$$version/bin/python -m pytest -m "not slow" $(SIDE_BY_SIDE) $(ESSENTIALS); \
	done

$(VENV)/3.%/.installed: $(VENV)/.installed
	rm -rf $(VENV)/3.$*
	$(call python_of,3.$*) -m venv $(VENV)/3.$*
	$(VENV)/3.$*/bin/python $(QUIET_PIP) install --constraint constraints.txt $(VENV)/hopkin-*.whl
	$(VENV)/3.$*/bin/python $(QUIET_PIP) install --constraint constraints.txt "hopkin[test]"
	touch $@

# make test-all slow tests too
test-all: lint docs $(VENV)/.families
	$(PIP) install --constraint constraints.txt "hopkin[browser]"
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)
	$(MAKE) test-pythons

# make docs     the documentation in build/site, warnings as errors, without the network
docs: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt "hopkin[docs]"
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/site
	@echo "build/site/index.html"

# make wheel    a wheel in dist/ that pip takes elsewhere, tried in an empty environment of each Python
LEFT_OUT := $(addprefix --exclude=,libmpi.so.12 libtorch.so libtorch_cpu.so libc10.so)
wheel: $(VENV)/.installed
	$(PIP) install --constraint constraints.txt "hopkin[release]"
	rm -rf dist
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair $(LEFT_OUT) --wheel-dir dist $(VENV)/hopkin-*.whl
	$(BIN)/python -m build --sdist --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	set -e; for python in $(foreach version,3.11 3.12 3.13,$(call python_of,$(version))); do \
	  rm -rf build/empty; $$python -m venv build/empty; \
	  build/empty/bin/python $(QUIET_PIP) install --constraint constraints.txt dist/hopkin-*.whl; \
	  build/empty/bin/hopkin doctor; \
	  build/empty/bin/python -c "from ase.build import bulk; bulk('Cu', cubic=True).write('build/empty/Cu.cif')"; \
	  build/empty/bin/hopkin barrier build/empty/Cu.cif --ion Cu --model ase:ase.calculators.emt:EMT --images 3 \
	    --max-length 3 --supercell 2 2 2 --out build/empty/runs; \
	done

# make bench    cost of a step in LAMMPS against the model's own calculator
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/step_cost.py

# make clean    remove the environment, builds and runs
clean:
	rm -rf $(VENV) build dist runs
