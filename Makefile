# make run   sets everything up and runs the main job on the embedded model (README.md says what its time hangs on);
#            again: seconds, since results are kept in .workbench/
# make test  sets everything up, then style, types and the tests of every behaviour (README.md)
# make test-all  those and the long ones (all recipes, training by two processes, the demo's own training)
# make test-devices  two real adb daemons in private namespaces, the whole way through adb and its faults: about
#            5 to 10 minutes; needs root on Debian (says so elsewhere)
# make fuzz  nonsense of every kind as recipes, arguments, stores and models; make chaos  kills a run and resumes it, again
#            and again: 10 minutes at most each
# make wheel  dist/*.whl out of what is committed, the same bytes from the same commit
# make bench  the profiler's own benchmarks (A/A, a known slowdown, coverage): about 20 minutes on a quiet machine
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run wheel test test-all test-long test-devices fuzz chaos bench lint clean browser device-tools

run: $(VENV)/.ready
	@echo "== running recipes/bk_tiny_w8a8.yaml on the embedded model: 6 to 22 minutes the first time, seconds again"
	$(BIN)/workbench run recipes/bk_tiny_w8a8.yaml

# Tests that would begin after UNTIL (seconds since 1970) are left out and named.
BUDGET = $(if $(UNTIL),--until $(UNTIL) -rs --no-fold-skipped)
# By file, since what a file's fixtures export, train and measure would be made once in every process.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=20

test: $(VENV)/.ready-dev browser lint
	@echo "== tests, two at a time: 7 to 20 minutes"
	$(PYTEST) -m "not long"

test-all: $(VENV)/.ready-dev browser lint
	@echo "== all tests, two at a time"
	$(PYTEST)

# What test-all adds to test.
test-long: $(VENV)/.ready-dev
	@echo "== long tests, two at a time"
	$(PYTEST) -m long $(BUDGET)

test-devices: $(VENV)/.ready-dev device-tools
	@echo "== devices: 5 to 10 minutes"
	$(BIN)/python tests/device_rig/rig.py check
	WORKBENCH_RIG=1 $(BIN)/python -m pytest tests/device_rig $(BUDGET)

# SEED=N gives the same inputs, or the same order of kills, again.
fuzz: $(VENV)/.ready-dev
	@echo "== mutated recipes, arguments, stores and models: 10 minutes at most"
	$(BIN)/python -m tests.campaigns.fuzz $(if $(SEED),--seed $(SEED))

chaos: $(VENV)/.ready-dev
	@echo "== a run that is killed and resumed: 10 minutes at most"
	$(BIN)/python -m tests.campaigns.chaos $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.ready-dev
	@echo "== benchmarks: about 20 minutes; leave the machine alone meanwhile"
	$(BIN)/python benchmarks/compare_truth.py
	$(BIN)/python benchmarks/coverage.py

# What the device tests need of the system: an adb client, a way to unpack Debian's adbd, and arm64 by emulation.
device-tools:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  command -v adb >/dev/null && command -v mmdebstrap >/dev/null && command -v qemu-aarch64-static >/dev/null \
	  && command -v ip >/dev/null || { echo "== installing adb, mmdebstrap, qemu-user-static, iproute2"; \
	  apt-get -qq update && apt-get -qq install -y --no-install-recommends \
	  adb mmdebstrap qemu-user-static iproute2 >/dev/null; }; fi

lint: $(VENV)/.ready-dev
	@echo "== style and types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

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

# From an archive of the commit: neither what else lies here, nor its times and modes, get in.
wheel: $(VENV)/.ready
	rm -rf build/wheel && mkdir -p build/wheel dist
	umask 022 && git archive HEAD | tar -x -C build/wheel && \
	  SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/pip wheel --quiet --no-deps --wheel-dir dist build/wheel
	@ls -l dist/*.whl

clean:
	rm -rf $(VENV) .workbench
