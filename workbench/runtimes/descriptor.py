"""What others ask about a runtime by its name, declared by its own folder (``runtimes/NAME/descriptor.py``).

Nothing here needs a runtime's library: functions import what they use when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch

    from workbench.graphs.costs import NodeCost
    from workbench.measure.counts import Count
    from workbench.measure.kinds import Kernels
    from workbench.runtimes.base import Runtime

Feed = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class Format:
    """The file format of which a runtime is the one to open it.

    ``session(path, threads)`` gives something with ``run(None, feed)``, ``get_inputs()`` and ``get_outputs()``, as ONNX
    Runtime has them; ``parallel``: several passes of one may run at the same time. ``files(path)``: all that loading
    reads. ``costs(path)``: MACs of every product. ``count(path, shapes)``: MACs and parameters by layer, for inputs of
    these shapes.
    """

    name: str
    suffix: str
    session: Callable[[Path, int | None], Any]
    files: Callable[[Path], list[Path]]
    costs: Callable[[Path], list[NodeCost]]
    count: Callable[[Path, Mapping[str, Sequence[int]]], Count]
    parallel: bool = False


@dataclass(frozen=True)
class Ceilings:
    """How the machine's ceilings are measured through a runtime.

    ``of``: another runtime, whose products this one calls. ``load(module, feed, threads)`` gives a function that runs
    one pass of a torch module, for runtimes that read no files. ``refused``: kinds of products that it has none of,
    with the reason. ``merges_sums``: a chain of sums becomes one kernel there, and says nothing of the memory.
    """

    of: str | None = None
    load: Callable[[torch.nn.Module, Feed, int], Callable[[], object]] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    merges_sums: bool = False


@dataclass(frozen=True)
class Descriptor:
    """A runtime without its library.

    ``title`` is its name for readers, ``target`` what its place is called in profiles and reports, ``order`` where it
    stands among the runtimes; ``by_default``: recipes that name no runtimes profile on it. ``distribution`` is the
    library that its figures depend on (its name to import and to install), ``install`` what ``pip install`` is given.
    ``make`` imports the library.
    """

    name: str
    title: str
    target: str
    order: int
    distribution: str
    install: str
    make: Callable[[], Runtime]
    kernels: Kernels
    reads: tuple[str, ...] = ()
    """Suffixes of the files that it runs; none: it runs torch modules."""
    format: Format | None = None
    ceilings: Ceilings = Ceilings()
    by_default: bool = False
    profiler: Literal["in kernels", "free", "not known"] = "not known"
    """What its profiler adds: time within each kernel, nothing that could be seen, or nobody knows."""
    trace: Mapping[str, str] = field(default_factory=dict)
    """What is to be said of its kernels on a time line, by key."""

    @property
    def needs_file(self) -> bool:
        """Whether it reads a file of the network; the others need the module alone."""
        return bool(self.reads)

    @property
    def install_line(self) -> str:
        """How its library is installed."""
        return f"pip install {self.install}"
