"""A model folder of one's own, to be broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


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
