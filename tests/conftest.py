"""What several rooms' tests use: the embedded model and a fresh store."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.models.candidate import Candidate
from workbench.models.sources import base_candidate, demo_folder
from workbench.store.store import Store


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
