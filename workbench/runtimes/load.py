"""A component's file, whatever its format: a session for it, and all files that belong to it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.runtimes.base import counted_by

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost
    from workbench.measure.counts import Count


class Format(Protocol):
    """A file format: the module ``format`` of the runtime that opens it."""

    parallel: bool
    """Whether several passes of one session may run at the same time."""

    def session(self, path: Path, threads: int | None) -> Any:
        """Something with ``run(None, feed)``, ``get_inputs()`` and ``get_outputs()``, as ONNX Runtime has them."""

    def files(self, path: Path) -> list[Path]:
        """All that loading reads."""

    def costs(self, path: Path) -> list[NodeCost]:
        """MACs of every product."""

    def count(self, path: Path, shapes: Mapping[str, Sequence[int]]) -> Count:
        """MACs and parameters by layer, for inputs of these shapes."""


def format_of(path: Path) -> Format:
    """The format of a component's file.

    Raises:
        InputError: no runtime opens it.
    """
    return importlib.import_module(counted_by(path))


def runner(path: Path, threads: int | None = None) -> Any:
    """A session that runs a component's file, by the runtime whose format it is.

    Raises:
        InputError: no runtime opens such a file, or the one that does isn't installed.
        RunError: the file can't be loaded.
    """
    return format_of(path).session(path, threads)


def file_size(path: Path) -> int:
    """Bytes of a component as deployed: the file and those that it is loaded with."""
    return sum(file.stat().st_size for file in format_of(path).files(path))
