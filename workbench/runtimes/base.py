"""What a runtime offers to the profiler, and the list of those there are. A runtime is one file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from workbench.errors import InputError
from workbench.measure.clock import Stats
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.network import Network
from workbench.store.environment import usable_cores


@dataclass(frozen=True)
class Timed:
    """What the clock found for one network: passes, and in ms the first load from disk, the second, the first call."""

    stats: Stats
    load_cold_ms: float
    load_warm_ms: float
    first_call_ms: float
    first_call_cache: str | None = None
    """For runtimes that compile in their first call: whether their cache was ``cold`` or ``warm``."""


@dataclass(frozen=True)
class Measured:
    """All that is known of one network on one runtime; ``shared_with`` is the network whose figures these are."""

    network: Network
    timed: Timed
    layers: Layers
    count: Count
    shared_with: str | None = None


class Runtime(Protocol):
    """One place to run a network on this machine. Making one imports the libraries that it needs."""

    name: str
    target: str
    settings: ClassVar[Mapping[str, Any]]
    """What the runtime was told besides the number of threads, for the profile."""
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


@runtime_checkable
class Compiles(Protocol):
    """A runtime that compiles a network in its first call."""

    def first_call(self, network: Network) -> str:
        """Whether the next first call finds compiled kernels of it: ``cold`` or ``warm``."""


@dataclass(frozen=True)
class _Entry:
    target: str
    module: str
    cls: str
    needs: str
    install: str


_RUNTIMES = {
    "onnxruntime": _Entry(
        "host", "workbench.runtimes.onnxruntime.runtime", "OnnxRuntime", "onnxruntime", "onnxruntime"
    ),
    "openvino": _Entry(
        "host-openvino", "workbench.runtimes.openvino.runtime", "OpenVino", "openvino", "'edge-workbench[openvino]'"
    ),
    "torch": _Entry("host-torch", "workbench.runtimes.torch.eager", "TorchEager", "torch", "torch"),
    "torch-compile": _Entry(
        "host-torch-compile", "workbench.runtimes.torch.compiled", "TorchCompile", "torch", "torch"
    ),
}
RUNTIMES = tuple(_RUNTIMES)
"""Names of all runtimes; whether one is installed shows when it is asked for."""


def target_of(name: str) -> str:
    """What a runtime's place is called in profiles and reports."""
    return _RUNTIMES[name].target


def needs_file(name: str) -> bool:
    """Whether a runtime reads a file of the network; the others need the module alone."""
    return _RUNTIMES[name].needs != "torch"


def threads_asked(threads: int | None) -> int:
    """The threads to use: those asked for, else as many as there are usable cores.

    Raises:
        InputError: more were asked for than this process has cores.
    """
    if threads and threads > usable_cores():
        raise InputError(
            f"--threads: found {threads}; this process may use {usable_cores()} cores",
            hint=f"give at most {usable_cores()}",
        )
    return threads or usable_cores()


def distribution_of(name: str) -> str:
    """The distribution whose version a runtime's figures depend on."""
    return _RUNTIMES[name].needs


def install_line(name: str) -> str:
    """How the library behind a runtime is installed."""
    return f"pip install {_RUNTIMES[name].install}"


def installed(name: str) -> bool:
    """Whether the library behind a runtime is there, found without importing it."""
    return importlib.util.find_spec(_RUNTIMES[name].needs) is not None


def runtime(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        InputError: there is none of that name, or its library isn't installed.
    """
    if name not in _RUNTIMES:
        import difflib

        near = difflib.get_close_matches(name, RUNTIMES, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"runtime {name!r} is not known{meant}", hint=f"known: {', '.join(RUNTIMES)}")
    entry = _RUNTIMES[name]
    if not installed(name):
        raise InputError(f"runtime {name}: {entry.needs} is not installed", hint=install_line(name))
    made: Runtime = getattr(importlib.import_module(entry.module), entry.cls)()
    return made
