"""A component's file, whatever its format: a session for it, and all files that belong to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.runtimes.base import runtime_for_suffix
from workbench.runtimes.descriptor import Format


def format_of(path: Path) -> Format:
    """The format of a component's file.

    Raises:
        InputError: no runtime opens it.
    """
    format_ = runtime_for_suffix(path).format
    assert format_ is not None
    return format_


def runner(path: Path, threads: int | None = None) -> Any:
    """A session that runs a component's file, by the runtime whose format it is.

    All have ``run(None, feed)``, ``get_inputs()`` and ``get_outputs()``.

    Raises:
        InputError: no runtime opens such a file, or the one that does isn't installed.
        RunError: the file can't be loaded.
    """
    return format_of(path).session(path, threads)


def file_size(path: Path) -> int:
    """Bytes of a component as deployed: the file and those that it is loaded with."""
    return sum(file.stat().st_size for file in format_of(path).files(path))
