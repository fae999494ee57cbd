"""What several rooms' tests use: the embedded model and a fresh store."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT
from workbench.models.candidate import Candidate
from workbench.models.sources import base_candidate, demo_folder
from workbench.store.store import Store

pytest.register_assert_rewrite("tests.fixtures")  # they import one another before pytest has seen them all
_FIXTURES = (file for file in (ROOT / "tests" / "fixtures").glob("*.py") if "@pytest.fixture" in file.read_text())
pytest_plugins = sorted(f"tests.fixtures.{file.stem}" for file in _FIXTURES)

FIRST = tuple(
    f"tests/{name}.py"
    for name in ("run/test_run", "run/test_small_recipes", "verbs/schemes/test_schemes", "run/test_processes")
)
"""The files whose tests take longest."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--until", type=float, help="leave out tests that would begin later (seconds since 1970)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first: processes are given one file after another, and should end together."""
    files = {item: item.nodeid.partition("::")[0] for item in items}
    items.sort(key=lambda item: FIRST.index(files[item]) if files[item] in FIRST else len(FIRST))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    until = item.config.getoption("--until")
    if until is not None and time.time() > until:
        pytest.skip("left out: the time for tests is over")


@pytest.fixture(scope="session")
def demo() -> Path:
    """The embedded model's folder."""
    return demo_folder()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def base(store: Store) -> Candidate:
    """The embedded model as a candidate."""
    return base_candidate("demo", store)


@pytest.fixture
def own_model(tmp_path: Path, demo: Path) -> Callable[[], Path]:
    """Makes ``tmp_path/own``, a model folder like the demo's whose files (links) can be replaced or removed."""

    def make() -> Path:
        copy = tmp_path / "own"
        for file in [f for f in demo.rglob("*") if f.is_file()]:
            target = copy / file.relative_to(demo)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.absolute())
        return copy

    return make
