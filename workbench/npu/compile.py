"""One network compiled for a chip; the result stays in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.graphs.read import read_model
from workbench.limits import fits
from workbench.measure.network import Network
from workbench.npu.child import LOG, work
from workbench.npu.socs import Soc
from workbench.npu.trace import Compiled, read_trace
from workbench.npu.worker import TRACE, Job
from workbench.sources.onnx_file import external_files
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

PER_FILE_BYTE, BESIDES = 3.4, 200_000_000
"""The least memory of a compilation: 0.28 GB for the demo's BK-SDM-Tiny (a file of 27 MB), 4.5 GB for the full-size one
(1.29 GB). With 16-bit activations it took more, 1.25 GB for the former, and nobody can say it before."""


@dataclass(frozen=True)
class Target:
    """A chip, the mode of finalization (1 to 3), and the longest that a compilation or a pass may take."""

    soc: Soc
    mode: int
    deadline_s: float

    def job(self, network: Network, model: Path | None = None, passes: int = 0) -> Job:
        """The worker's job with a network's file, or with ``model`` in its place."""
        path, inputs = model or network.path, tuple(network.feed)
        chip = (self.soc.soc_model, self.soc.htp_arch, self.mode)
        return Job(str(path.absolute()), *chip, sides(network), passes, inputs if passes else ())


def check_networks(networks: list[Network]) -> None:
    """Raises InputError where one has no ONNX file, a shape that isn't known before a pass, or is too large."""
    for network in networks:
        if network.file is None or network.file.suffix != ".onnx":
            raise InputError(f"{network.label}: needs an ONNX file; {network.file} is in another runtime's format")
        sides(network)
        size = sum(file.stat().st_size for file in _files(network.file))
        need = round(BESIDES + PER_FILE_BYTE * size)
        if not fits(need):
            raise InputError(
                f"{network.label}: compiling its {size / 1e9:.2f} GB takes at least {need / 1e9:.1f} GB of memory, and "
                "less is free"
            )


def sides(network: Network) -> dict[str, int]:
    """The sides of a file's inputs that have a name instead of a number, as its inputs are fed.

    Raises:
        InputError: a side has neither.
    """
    found: dict[str, int] = {}
    for value in read_model(network.path).graph.input:
        if value.name not in network.feed:
            continue
        for side, number in zip(value.type.tensor_type.shape.dim, network.feed[value.name].shape, strict=False):
            if side.dim_param:
                found[side.dim_param] = number
            elif not side.HasField("dim_value"):
                raise InputError(
                    f"{network.path}: input {value.name!r} has a side without a number or a name; an NPU is compiled "
                    "for one shape",
                    hint="give it a number: python -m onnxruntime.tools.make_dynamic_shape_fixed",
                )
    return found


def compile_network(network: Network, target: Target, store: Store) -> Compiled:
    """The network as compiled for a chip, from the store if it is there.

    Raises:
        RunError: the compiler crashed, hung or refused the file.
    """
    facts = facts_of(network, target, store)
    key = key_of({"npu": facts, **depends_on(compile_network, "workbench.npu.worker", without=WITHOUT)})

    def make(folder: Path) -> Mapping[str, Any]:
        outcome = work(target.job(network), folder, target.deadline_s)
        for file in folder.iterdir():  # what is told stays; the binary would take as much again as the file
            if file.name not in (TRACE, LOG):
                file.unlink()
        return outcome

    outcome = store.compute(key, make)
    return read_trace(store.folder(key), outcome, network.path)


def facts_of(network: Network, target: Target, store: Store) -> dict[str, Any]:
    """What a compilation depends on besides code and libraries, for keys (JSON)."""
    return {
        "file": store.folder_hash(network.path.parent, _files(network.path)),
        "soc": [target.soc.soc_model, target.soc.htp_arch],
        "mode": target.mode,
        "sides": sides(network),
    }


def _files(path: Path) -> list[Path]:
    """The file, and those beside it that hold its weights."""
    return [path, *external_files(path, read_model(path))]


WITHOUT = (
    *(f"workbench.npu.{name}" for name in ("trace", "reasons", "socs", "extra")),
    *("workbench.sources", "workbench.sources.onnx_file"),
)
"""Modules that a key leaves out: what is told of a compilation is read from its trace anew every time; what the source
is has been settled before."""
