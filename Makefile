# The verbs of the project. Each one makes what it needs and says what it does.
#
#   make demo     three real ocean files become one dataset, checked value by value
#   make test     the tests
#   make readers  other readers of what is written, two of them in environments of their own (zarr-python 2, zarrita)
#   make oldest   the tests on the oldest Python, with the oldest of every dependency and extra
#   make package  the wheel and the source distribution, installed into fresh environments and used
#   make fuzz     damaged files, 100,000 of them: only errors of chunkmap may come out; and random sound ones
#   make guided   the same, led by what code is reached (atheris; where there is a wheel of it)
#   make soak     writers, readers and kills in any order, for ten minutes
#   make check    format, lint, types, layers
#   make docs     the documentation as a site, in .site/html; a warning is an error
#   make bench    the table beside kerchunk 0.2.10
#   make format   rewrite the sources as `make check` wants them
#   make clean    remove everything that these made
#
# PYTHON=...  which Python (>= 3.11) to build the environment with; found by itself when not given
# VENV=...    where the environment goes
# TESTS=...   what `make test` runs;  WORKERS=...  on how many processes
# OLDEST=...  what `make oldest` runs, in an environment of its own
# PYTHONS=... which Pythons `make package` installs into; that of VENV when not given
# FUZZ=...    how many damaged files `make fuzz` makes;  KIND=...  of which kind `make guided` makes them
# SOAK=...    for how many seconds `make soak` runs
# GRIB=1      `make demo` opens a GRIB file as well, and needs eccodes
# CASES=...   which benchmarks `make bench` runs;  REPEATS=...  how often;  WRITE=1  renew bench/results.md

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test oldest readers package fuzz guided soak check docs bench format clean

# Found only when an environment has to be made: the first Python >= 3.11 that runs and can make one.
PYTHON ?= $(shell \
	for candidate in python3 python3.14 python3.13 python3.12 python3.11 python \
			"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[1-9]*/bin/python; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
		then echo "$$candidate"; break; fi; \
	done)
VENV ?= .venv
OLDEST_VENV ?= .venv-oldest
DOCS_VENV ?= .venv-docs
KERCHUNK_VENV ?= .venv-kerchunk
VIRTUALIZARR_VENV ?= .venv-virtualizarr
TESTS ?= tests
WORKERS ?= 2
OLDEST ?= $(addprefix tests/,model io codecs formats storage access combining execution frontends)
FUZZ ?= 100000
KIND ?= hdf5
SOAK ?= 600
CASES ?=
REPEATS ?= 3

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of processes are started by the tests, and each would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

help:
	@sed -n 's/^#   make /  make /p' Makefile

# ---------------------------------------------------------------- the verbs

demo: $(VENV)/demo.stamp
	@echo "== demo: three months of ocean, one dataset"
	@"$(VENV)/bin/python" examples/demo.py .demo
ifdef GRIB
	@echo "== demo: a GRIB field, and a forecast as one hypercube"
	@"$(VENV)/bin/python" -m pip install -qq --editable ".[grib,xarray]"
	@"$(VENV)/bin/python" examples/forecast.py .demo
endif

test: $(VENV)/test.stamp
	@echo "== test: $$("$(VENV)/bin/python" --version), $(TESTS)"
	@"$(VENV)/bin/python" -m pytest -n $(WORKERS) --dist loadfile -q $(TESTS)

oldest: $(OLDEST_VENV)/oldest.stamp
	@echo "== oldest: $$("$(OLDEST_VENV)/bin/python" --version), $(OLDEST)"
	@"$(OLDEST_VENV)/bin/python" -m pytest -n $(WORKERS) --dist loadfile -q @tests/packaging/oracles_too_old.txt $(OLDEST)

readers: $(VENV)/test.stamp .venv-zarr2/zarr2.stamp
	@npm install --silent --no-save --prefix .node zarrita@0.7 || echo "== readers: no npm that installs it, so zarrita is left out"
	@"$(VENV)/bin/python" -m pytest -q tests/readers

package: $(VENV)/test.stamp
	@rm -rf dist
	@"$(VENV)/bin/python" -c 'import hatchling.build as build; build.build_wheel("dist"); build.build_sdist("dist")'
	@"$(VENV)/bin/python" tests/packaging/try_install.py dist $(or $(PYTHONS),"$(VENV)/bin/python")

fuzz: $(VENV)/test.stamp
	@echo "== fuzz: $(FUZZ) damaged files"
	@"$(VENV)/bin/python" tests/fuzz/run.py --files $(FUZZ) --keep .fuzz
	@echo "== fuzz: 3,000 random files, opened as by xarray's own engines"
	@"$(VENV)/bin/python" tests/fuzz/random_files.py --files 3000

guided: $(VENV)/guided.stamp
	@echo "== guided: $(KIND)"
	@"$(VENV)/bin/python" tests/fuzz/guided.py --kind $(KIND) --runs $(FUZZ) --keep .fuzz

soak: $(VENV)/test.stamp
	@echo "== soak: $(SOAK) seconds"
	@"$(VENV)/bin/python" tests/reliability/soak.py --seconds $(SOAK)

check: $(VENV)/check.stamp
	@echo "== format"
	@"$(VENV)/bin/python" -m ruff format --check src tests examples bench site docs/pictures
	@echo "== lint"
	@"$(VENV)/bin/python" -m ruff check src tests examples bench site docs/pictures
	@echo "== types"
	@"$(VENV)/bin/python" -m mypy
	@echo "== layers"
	@"$(VENV)/bin/lint-imports"

docs: $(DOCS_VENV)/docs.stamp
	@echo "== docs: the pages as they lie in the repository, with an index on top"
	@rm -rf .site && mkdir -p .site/source/bench
	@cp -r docs examples README.md CONTRIBUTING.md CHANGELOG.md site/index.md .site/source && cp bench/*.md .site/source/bench
	@"$(DOCS_VENV)/bin/python" -m sphinx -q -W --keep-going -b html -c site .site/source .site/html
	@echo "== docs: pages as notebooks, run"
	@"$(DOCS_VENV)/bin/python" site/notebooks.py .site/notebooks
	@"$(DOCS_VENV)/bin/python" -m nbconvert --log-level WARN --to notebook --execute --inplace .site/notebooks/*.ipynb
	@"$(DOCS_VENV)/bin/python" -m nbconvert --log-level WARN --CoalesceStreamsPreprocessor.enabled=True --to html --output-dir .site/html/notebooks .site/notebooks/*.ipynb
	@echo ".site/html/index.html, .site/html/notebooks"

bench: $(VENV)/test.stamp $(KERCHUNK_VENV)/kerchunk.stamp $(VIRTUALIZARR_VENV)/virtualizarr.stamp
	@echo "== bench: each case in fresh processes, the two tools in turn"
	@"$(VENV)/bin/python" bench/run.py --ours "$(VENV)/bin/python" --theirs "$(KERCHUNK_VENV)/bin/python" \
		--virtualizarr "$(VIRTUALIZARR_VENV)/bin/python" --repeats $(REPEATS) $(if $(WRITE),--write bench/results.md) $(CASES)

format: $(VENV)/check.stamp
	@"$(VENV)/bin/python" -m ruff check --fix --exit-zero --quiet src tests examples bench site docs/pictures
	@"$(VENV)/bin/python" -m ruff format src tests examples bench site docs/pictures

clean:
	rm -rf .venv .venv-* .node .demo .site .bench .fuzz build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests examples bench -name __pycache__ -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environments
# A stamp is newer than pyproject.toml when what pyproject.toml asks for has been installed.

%/pip.stamp:
	@if [ -z "$(PYTHON)" ]; then echo "no Python >= 3.11 was found: install one, or say PYTHON=/path/to/python" >&2; exit 1; fi
	@echo "== environment $*: $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed")'
	@"$(PYTHON)" -m venv --clear "$*"
	@"$*/bin/python" -m pip install -qq --upgrade "pip>=25.1"
	@touch "$@"

$(VENV)/demo.stamp: pyproject.toml | $(VENV)/pip.stamp
	@echo "== installing chunkmap, and what the demo needs"
	@"$(VENV)/bin/python" -m pip install -qq --editable ".[xarray,cli]" --group demo
	@touch "$@"

$(VENV)/test.stamp: pyproject.toml | $(VENV)/pip.stamp
	@echo "== installing chunkmap with every extra, and what the tests need"
	@"$(VENV)/bin/python" -m pip install -qq --editable ".[all]" --group test
	@touch "$@"

# The oldest Python, unless one is named.
$(OLDEST_VENV)/pip.stamp: PYTHON = $(shell for candidate in python3.11 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.11.*/bin/python; do \
		if "$$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then echo "$$candidate"; break; fi; \
	done)

$(OLDEST_VENV)/oldest.stamp: pyproject.toml tests/packaging/oldest.py | $(OLDEST_VENV)/pip.stamp
	@echo "== installing chunkmap with the oldest version of every dependency and extra, and what the tests need"
	@"$(OLDEST_VENV)/bin/python" tests/packaging/oldest.py pyproject.toml >"$(OLDEST_VENV)/constraints.txt"
	@"$(OLDEST_VENV)/bin/python" -m pip install -qq --editable ".[all]" --group test --constraint "$(OLDEST_VENV)/constraints.txt"
	@touch "$@"

$(VENV)/check.stamp: pyproject.toml $(VENV)/test.stamp
	@echo "== installing what the checks need"
	@"$(VENV)/bin/python" -m pip install -qq --group check
	@touch "$@"

$(VENV)/guided.stamp: pyproject.toml $(VENV)/test.stamp
	@"$(VENV)/bin/python" -m pip install -qq --only-binary :all: --group guided
	@touch "$@"

$(DOCS_VENV)/docs.stamp: pyproject.toml | $(DOCS_VENV)/pip.stamp
	@echo "== installing chunkmap, and what the site needs"
	@"$(DOCS_VENV)/bin/python" -m pip install -qq --editable ".[xarray,cli,dask]" --group docs
	@touch "$@"

.venv-zarr2/zarr2.stamp: pyproject.toml | .venv-zarr2/pip.stamp
	@".venv-zarr2/bin/python" -m pip install -qq --group zarr2
	@touch "$@"

$(KERCHUNK_VENV)/kerchunk.stamp: pyproject.toml | $(KERCHUNK_VENV)/pip.stamp
	@echo "== installing kerchunk in an environment of its own"
	@"$(KERCHUNK_VENV)/bin/python" -m pip install -qq --group kerchunk
	@touch "$@"

$(VIRTUALIZARR_VENV)/virtualizarr.stamp: pyproject.toml | $(VIRTUALIZARR_VENV)/pip.stamp
	@echo "== installing VirtualiZarr in an environment of its own"
	@"$(VIRTUALIZARR_VENV)/bin/python" -m pip install -qq --group virtualizarr
	@touch "$@"
