# make run   sets everything up and runs the main job on the embedded model: about 7 minutes from a bare clone
#            on 2 cores, of which the job is about 6; again: seconds, since results are kept in .workbench/
# make test  sets everything up, then style, types and all tests: about 12 minutes on 2 cores
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test lint clean browser

run: $(VENV)/.ready
	@echo "== running recipes/bk_tiny_w8a8.yaml on the embedded model: about 6 minutes the first time, seconds again"
	$(BIN)/workbench run recipes/bk_tiny_w8a8.yaml

test: $(VENV)/.ready-dev browser lint
	@echo "== tests: about 9 minutes"
	$(BIN)/python -m pytest

lint: $(VENV)/.ready-dev
	@echo "== style and types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.ready: pyproject.toml
	@echo "== setting up $(VENV): 1 to 3 minutes, about 2 GB"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	@echo "== adding what the tests need"
	$(BIN)/pip install --quiet --editable ".[dev]"
	@touch $@

# The report is tested in a real browser.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  echo "== installing Chromium for the report's tests"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get -qq update && apt-get -qq install -y chromium >/dev/null; \
	  else sudo apt-get -qq update && sudo apt-get -qq install -y chromium >/dev/null; fi; }

clean:
	rm -rf $(VENV) .workbench
