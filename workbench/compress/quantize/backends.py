"""Backends, which make the schemes; each is declared in a file below this folder (``BACKEND = Backend(…)``)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models.schemes import SCHEMES
from workbench.runtimes.base import counted_by, described

if TYPE_CHECKING:
    from workbench.compress.quantize.calibration.samples import Samples
    from workbench.compress.quantize.calibration.trajectory import Inputs
    from workbench.compress.quantize.config import QuantizeConfig
    from workbench.compress.registry import StepContext


@dataclass(frozen=True)
class Task:
    """One network to be quantized: from the ONNX file ``parent`` to ``out``, only the layers in ``chosen``.

    ``exempt`` are the other ones that have weights, with the reason.
    """

    context: StepContext
    config: QuantizeConfig
    samples: Samples
    parent: Path
    chosen: Sequence[str]
    exempt: Mapping[str, str]
    out: Path

    def calibrate(self) -> tuple[list[Inputs], dict[str, Any]]:
        """All inputs that the float network sees while it draws, and their summary for the report."""
        from workbench.runtimes.onnxruntime.session import session

        plain = session(self.parent)
        seen = list(self.samples.calibrate(lambda inputs, _kept: plain.run(None, inputs)[0]))
        return seen, self.samples.summary()


@dataclass(frozen=True)
class Backend:
    """Places the scales and writes the file in the format of ``runtime``; ``about`` tells readers of recipes how.

    ``make(task)`` writes the file and returns its report (JSON). ``settings``: the step's keys on weights that it
    heeds; it settles the others itself. ``denoiser_alone``: it makes no other component. ``special``: whether it can do
    diffusion's special cases, ``trains``: quantization-aware training.
    """

    name: str
    order: int
    runtime: str
    about: str
    schemes: tuple[str, ...]
    make: Callable[[Task], dict[str, Any]]
    settings: frozenset[str] = frozenset()
    denoiser_alone: bool = False
    special: bool = False
    trains: bool = False
    spares_a_bit: bool = False
    """Whether weights take a bit less where 8-bit products overflow on the machine that quantizes."""
    simulated_on: frozenset[str] = frozenset()
    """Runtimes that have the kernels of its schemes, but compute what it writes in float (docs/schemes.md)."""
    gains: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Settings besides the defaults, by scheme, that change what its runtime gains."""

    @property
    def suffix(self) -> str:
        """Of its files."""
        return described(self.runtime).suffix

    @property
    def kind(self) -> str:
        """The kind of a component that it made."""
        return described(self.runtime).format

    @property
    def code(self) -> frozenset[str]:
        """What its files depend on, for keys of results: its own module, and the one that opens them."""
        return frozenset({self.make.__module__, counted_by(Path(f"model{self.suffix}"))})


@cache
def backends() -> dict[str, Backend]:
    """All backends by name, in their order."""
    folder = Path(__file__).parent
    files = [file for file in sorted(folder.rglob("*.py")) if "\nBACKEND = Backend(" in file.read_text()]
    modules = [".".join((__package__, *file.relative_to(folder).with_suffix("").parts)) for file in files]
    found = [importlib.import_module(module).BACKEND for module in modules]
    return {backend.name: backend for backend in sorted(found, key=lambda backend: (backend.order, backend.name))}


def able(scheme: str) -> list[str]:
    """Names of the backends that can make a scheme."""
    return [name for name, backend in backends().items() if scheme in backend.schemes]


def makes(backend: str) -> list[str]:
    """Names of the schemes that a backend can make."""
    return [scheme for scheme in SCHEMES if scheme in backends()[backend].schemes]
