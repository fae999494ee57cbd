"""What a runtime offers to the profiler, and the registry of runtimes: each is a folder beside this file.

A folder is found by its ``descriptor.py``, which says what others ask about the runtime (``RUNTIME``).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from workbench.errors import InputError, unknown
from workbench.runtimes.descriptor import Descriptor
from workbench.store.processor import usable_cores

if TYPE_CHECKING:
    from workbench.measure.counts import Count
    from workbench.measure.layers import Layers
    from workbench.measure.network import Network


class Runtime(Protocol):
    """A runtime on this machine. Making one imports the libraries that it needs."""

    name: str
    target: str
    settings: ClassVar[Mapping[str, Any]]
    """The runtime's settings besides the number of threads, for the profile."""
    loaded_per_file_byte: ClassVar[float]
    """Memory that a loaded network takes at most, per byte of its files: weights, and a copy in the kernels' layout."""

    def refuses(self, network: Network) -> str | None:
        """Why this runtime can't run the network, as the end of a sentence; None when it can."""

    def files(self, network: Network) -> list[Path]:
        """The files that loading reads."""

    def load(self, network: Network, threads: int) -> Callable[[], object]:
        """Loads the network; the function that comes back runs one pass. Loaded memory is freed with it."""

    def layers(self, network: Network, counted: Count, threads: int, warmup: int, iterations: int) -> Layers:
        """The per-layer pass, in a session of its own."""


class ReadsFiles:
    """What runtimes that read a network's file have in common."""

    def __init__(self, descriptor: Descriptor) -> None:
        self.name, self.target, self._reads = descriptor.name, descriptor.target, descriptor.reads

    def refuses(self, network: Network) -> str | None:
        """Everything but files of the formats that it reads."""
        if network.file is None:
            return "there is no ONNX file of it"
        known = network.file.suffix in self._reads
        return None if known else f"it is in another runtime's format ({network.file.suffix})"


@runtime_checkable
class Compiles(Protocol):
    """A runtime that compiles a network in its first call."""

    def first_call(self, network: Network) -> str:
        """Whether the next first call finds compiled kernels of it: ``cold`` or ``warm``."""


@cache
def _registered() -> dict[str, tuple[Descriptor, str]]:
    """Every runtime by name, in their order, with the package that is its folder."""
    folders = pkgutil.iter_modules([str(Path(__file__).parent)])
    packages = [f"{__package__}.{module.name}" for module in folders if module.ispkg]
    every = [(importlib.import_module(f"{package}.descriptor").RUNTIME, package) for package in packages]
    return {d.name: (d, package) for d, package in sorted(every, key=lambda pair: (pair[0].order, pair[0].name))}


RUNTIMES = tuple(_registered())
"""Names of all runtimes, installed or not."""
DEFAULT = RUNTIMES[0]
"""The runtime where none is named."""


def described(name: str) -> Descriptor:
    """The descriptor of the runtime of that name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in RUNTIMES:
        raise unknown(f"runtime {name!r} is not known", name, RUNTIMES)
    return _registered()[name][0]


def all_described() -> list[Descriptor]:
    """Every runtime's descriptor, in order."""
    return [described(name) for name in RUNTIMES]


def code_of(name: str) -> str:
    """The package that is a runtime's folder, its descriptor included, for keys of results."""
    described(name)
    return _registered()[name][1]


def run_by(name: str) -> str:
    """The module that loads and runs networks on a runtime: what its figures depend on, for keys of results."""
    return f"{code_of(name)}.runtime"


def opened_by(path: Path) -> str:
    """The module that opens a component's file: what the numbers that a session gives depend on, for keys of results.

    Raises:
        InputError: no runtime opens such a file.
    """
    return f"{code_of(runtime_for_suffix(path).name)}.session"


def counted_by(path: Path) -> str:
    """The module that knows all of a component's file, its MACs included, for keys of results.

    Raises:
        InputError: no runtime opens such a file.
    """
    return f"{code_of(runtime_for_suffix(path).name)}.format"


def runtime_for_suffix(path: Path) -> Descriptor:
    """The runtime that opens files of this format.

    Raises:
        InputError: none does.
    """
    openers = {runtime.suffix: runtime for runtime in all_described() if runtime.format}
    if path.suffix not in openers:
        raise InputError(f"{path}: no runtime opens such a file", hint=f"known: {', '.join(openers)}")
    return openers[path.suffix]


def threads_asked(threads: int | None) -> int:
    """The number of threads to use: ``threads``, else that of usable cores.

    Raises:
        InputError: it is more than this process has cores.
    """
    if threads and threads > usable_cores():
        raise InputError(
            f"--threads: found {threads}; this process may use {usable_cores()} cores",
            hint=f"give at most {usable_cores()}",
        )
    return threads or usable_cores()


def installed(name: str) -> bool:
    """Whether the library behind a runtime is there, found without importing it."""
    return importlib.util.find_spec(described(name).distribution) is not None


def runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        InputError: there is none of that name, or its library isn't installed.
    """
    descriptor = described(name)
    if not installed(name):
        raise InputError(f"runtime {name}: {descriptor.distribution} is not installed", hint=descriptor.install_line)
    made: Runtime = getattr(importlib.import_module(run_by(name)), descriptor.cls)(descriptor)
    return made
