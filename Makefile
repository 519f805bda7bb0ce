# make lab        JupyterLab at the first lesson; PORT=9000 chooses the port
# make test       everything is checked: code, recipes, exercises, notebooks
# make lint       only the quick checks
# make browser    every notebook in a real browser, of which make test opens a few
# make prove      every proof of the exercises, of which make test makes those without small mistakes
# make index      writes what is made from the lessons: tables of README.md, the index, their pictures
# make bench      how fast, as ratios measured in one run
# make soak       ten thousand seeds for each recipe with an invariant; thousands of real crashes, freezes and cuts
# make strangers  a program in JavaScript speaks with recipes; needs Node.js
# make lock       look for newer versions of what is pinned

PYTHON = python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check
# By module and notebook, in the order of their names: the browser is slow and has to begin early.
PYTEST = .venv/bin/pytest -n auto --dist loadscope --no-loadscope-reorder
NBVAL = --nbval --nbval-sanitize-with tests/nbval.cfg --nbval-cell-timeout=100

# A browser is opened where there is a screen; a chosen port is kept or refused.
SCREEN = $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname))
LAB_OPTIONS = $(if $(SCREEN),,--no-browser) $(if $(PORT),--port=$(PORT) --ServerApp.port_retries=0)

# What is started a thousand times is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: lab test lint browser prove index bench soak strangers lock

lab: .venv/lab
	.venv/bin/jupyter lab --allow-root --LabApp.default_url=/lab/tree/guide_notebooks/11_start_here.ipynb $(LAB_OPTIONS)

test: lint
	$(PYTEST) $(NBVAL) tests guide_notebooks exercises
	.venv/bin/python -m exercises prove --quick

lint: .venv/test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

browser: .venv/test
	.venv/bin/pytest -n 2 -p no:nbval -m "" tests/test_browser.py

prove: .venv/test
	.venv/bin/python -m exercises prove

index: .venv/lab
	.venv/bin/python guide_notebooks/workbook.py

bench: .venv/test
	.venv/bin/python tests/bench.py
	.venv/bin/python tests/scale.py

soak: .venv/test
	.venv/bin/python tests/soak.py
	$(PYTEST) -p no:nbval --faults 20 tests

strangers: .venv/test
	npm install --silent --no-save --prefix .venv zeromq@6.8.0
	.venv/bin/pytest -p no:nbval tests/test_strangers.py

lock: .venv/bin/python
	$(PIP) uv
	.venv/bin/uv pip compile --quiet --upgrade --universal --all-extras --custom-compile-command "make lock" pyproject.toml -o tests/requirements.txt
	.venv/bin/uv pip compile --quiet --python-version 3.12 -c tests/requirements.txt --no-annotate --custom-compile-command "make lock" $(IMAGE:%=--no-emit-package=%) pyproject.toml -o binder/requirements.txt

# What repo2docker's image brings itself, at versions of its own; its pyzmq alone is replaced.
IMAGE = $(filter-out pyzmq,$(shell printf 'ipykernel\nipywidgets\n' | .venv/bin/uv pip compile --quiet --no-header --no-annotate --python-version 3.12 - 2>/dev/null | sed 's/==.*//'))

# What the commands above need is put into .venv once, and again when the pins change.
.venv/lab .venv/test: .venv/bin/python tests/requirements.txt pyproject.toml binder/overrides.json
	@echo "Setting up .venv for make $(@F): this takes a minute, once."
	$(PIP) -c tests/requirements.txt -e '.[$(@F)]' || { echo "$(NO_PIP)" >&2; exit 1; }
	mkdir -p .venv/share/jupyter/lab/settings && cp binder/overrides.json .venv/share/jupyter/lab/settings
	.venv/bin/python -c 'import matplotlib.font_manager'
	@touch .venv/lab $@

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(NO_PYTHON)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(NO_VENV)" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv

NO_PYTHON = Please install Python 3.11 or newer, or name one as in make PYTHON=python3.12: $(PYTHON) is missing or too old.
NO_VENV = Please install the venv module of $(PYTHON), on Debian and Ubuntu with: apt install python3-venv
NO_PIP = Please connect to the internet and try again: pip could not fetch what tests/requirements.txt pins.
