"""Candidates of one small run, shipped through the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.shared import Shared


@pytest.fixture(scope="session")
def shipped(small_run: Path, shared: Shared) -> Callable[[str], Path]:
    """The release of a candidate of ``small_run``: read, don't write."""

    def release(candidate: str) -> Path:
        def make(folder: Path) -> None:
            asked = ("ship", f"small/{candidate}", "-o", str(folder), "--pictures", "2", "--store", "store")
            done = workbench(*asked, cwd=small_run)
            assert done.exit_code == 0, done.stderr[-3000:]

        return shared.made(f"release_{candidate}", make)

    return release
