"""The embedded model's graphs, exported once for all tests of graph transformations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.export.store import stored_export
from workbench.models.sources import base_candidate
from workbench.store.store import Store


@pytest.fixture(scope="session")
def demo_graph(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the exported file of a component of the embedded model; read it, don't write to it."""
    store = Store(tmp_path_factory.mktemp("graphs"))
    base = base_candidate("demo", store)
    return lambda component: stored_export(base, component, store)
