"""What others ask about a runtime by its name, declared in its own folder (``runtimes/NAME/descriptor.py``).

Nothing here needs a runtime's library: functions import what they use when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch

    from workbench.measure.kinds import Kernels

Feed = Mapping[str, "np.ndarray"]


@dataclass(frozen=True)
class Ceilings:
    """How the machine's ceilings are measured through a runtime.

    ``of``: another runtime, whose products this one calls. ``load(module, feed, threads)`` gives a function that runs
    one pass of a torch module, for runtimes that read no files. ``refused``: kinds of products that it lacks, with the
    reason. ``merges_sums``: a chain of sums becomes one kernel there, and says nothing of the memory.
    """

    of: str | None = None
    load: Callable[[torch.nn.Module, Feed, int], Callable[[], object]] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    merges_sums: bool = False


@dataclass(frozen=True)
class Descriptor:
    """A runtime without its library.

    ``title`` is its name for readers, ``target`` what this machine is called under it, ``order`` its rank among the
    runtimes; ``by_default``: recipes that name no runtimes profile on it. ``distribution`` is the library that its
    figures depend on (its name to import and to install), ``install`` what ``pip install`` is given. ``cls`` is the
    class in its module ``runtime`` that loads and runs.
    """

    name: str
    title: str
    target: str
    order: int
    distribution: str
    install: str
    cls: str
    kernels: Kernels
    reads: tuple[str, ...] = ()
    """Suffixes of the files that it runs; none: it runs torch modules."""
    format: str = ""
    """The file format that it is the one to open, by its module ``format`` (``load.Format``), and its ``suffix``."""
    suffix: str = ""
    ceilings: Ceilings = Ceilings()
    by_default: bool = False
    profiler: Literal["in kernels", "free", "not known"] = "not known"
    """What its profiler adds: time within each kernel, nothing that could be seen, or nobody knows."""
    trace: Mapping[str, str] = field(default_factory=dict)
    """Notes on its kernels for a time line, by key."""

    @property
    def needs_file(self) -> bool:
        """Whether it reads a file of the network; the others need the module alone."""
        return bool(self.reads)

    @property
    def install_line(self) -> str:
        """How its library is installed."""
        return f"pip install {self.install}"
