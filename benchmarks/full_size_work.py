"""The work of full_size.py: how each file is made, and what its processes do, each in one of its own."""

from __future__ import annotations

import resource
import shutil
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

SOURCES = {False: "arch:bk-tiny", True: "demo"}
CALIBRATE, CHECK = (801, 201), (601, 101)
"""Timesteps of the inputs."""
WARMUP = 2
RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}

Make = Callable[[Path, list[dict[str, Any]], Path], None]
"""``make(fp32, inputs, out)``."""


def layers_of(fp32: Path, policy: Any) -> list[str]:
    """Convolutions and linears, but those that the policy exempts."""
    from workbench.compress.quantize import policies
    from workbench.compress.quantize.policies import Layer
    from workbench.graphs.costs import node_costs

    costs = [cost for cost in node_costs(fp32) if cost.weights]
    layers = [Layer(c.layer, c.weights, c.macs) for c in costs]
    exempt = policies.exempt(layers, policy)
    return [layer.path for layer in layers if layer.path not in exempt]


class Given:
    """Inputs that are there already, in the place of those that a step draws from its parent."""

    component, denoises, each = "unet", False, 1

    def __init__(self, inputs: list[dict[str, Any]], method: Any, state: Path) -> None:
        from types import SimpleNamespace

        from workbench.compress.quantize.calibration.samples import Calibration
        from workbench.progress import quiet

        self.config, self.context = Calibration(method=method), SimpleNamespace(progress=quiet, state=state)
        self._inputs = inputs

    def count(self) -> int:
        """Inputs."""
        return len(self._inputs)

    def calibrate(self, run: Callable[[dict[str, Any], bool], Any], before: int = 0) -> Any:
        """Runs and yields each after the first ``before``."""
        for inputs in self._inputs[before:]:
            run(inputs, True)
            yield inputs


def ours(scheme: str, method: str = "mse") -> Make:
    """Our own ranges and rounding (scale search), under the scheme's default policy."""

    def make(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
        from workbench.compress.quantize.backends import Task
        from workbench.compress.quantize.config import DEFAULT_POLICY, QuantizeConfig
        from workbench.compress.quantize.onnx.quantizer import Quantizer

        config = QuantizeConfig.model_validate({"scheme": scheme, "rounding": "mse", "calibration": {"method": method}})
        given: Any = Given(inputs, method, out / "state")
        layers = layers_of(fp32, DEFAULT_POLICY[scheme])
        quantizer = Quantizer(Task(given.context, config, given, fp32, layers, {}, out))
        found = quantizer.gather()
        quantizer.write(found.rounded, found.ranges)

    return make


def ours_openvino(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
    """NNCF on the OpenVINO model as our step calls it."""
    from workbench.compress.quantize.nncf.openvino import quantize_openvino

    quantize_openvino(fp32, layers_of(fp32, "nvidia"), inputs, out)


def ort_static(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
    """ONNX Runtime's own tool; every product, attention's too."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._left = iter(inputs)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    quantize_static(
        fp32,
        out,
        Reader(),
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def nncf_onnx(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
    """NNCF on the ONNX model, its defaults."""
    import nncf
    import onnx

    onnx.save(nncf.quantize(onnx.load(fp32), nncf.Dataset(inputs), subset_size=len(inputs)), out)


def nncf_openvino(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
    """NNCF on the OpenVINO model, its defaults; what stays float is stored in 32 bit, as in ours."""
    import nncf
    import openvino

    made = nncf.quantize(openvino.Core().read_model(fp32), nncf.Dataset(inputs), subset_size=len(inputs))
    openvino.save_model(made, out, compress_to_fp16=False)


PATHS: dict[str, tuple[str, Make, str, float]] = {
    "ours": ("w8a8, onnxruntime backend, ranges by mse", ours("w8a8"), "onnx", 9),
    "ours-minmax": ("w8a8, onnxruntime backend, ranges by minmax", ours("w8a8", "minmax"), "onnx", 9),
    "ours-openvino": ("w8a8, openvino backend", ours_openvino, "xml", 8),
    "ort-static": ("quantize_static, QDQ, per channel, U8S8, Conv+MatMul+Gemm", ort_static, "onnx", 14.5),
    "nncf-onnx": ("nncf.quantize(onnx), defaults", nncf_onnx, "onnx", 16.5),
    "nncf-openvino": ("nncf.quantize(openvino), defaults", nncf_openvino, "xml", 8),
    "ours-w4a16": ("w4a16, onnxruntime backend, scale search", ours("w4a16"), "onnx", 6),
}
"""Name to what it is, how it is made, the suffix, and GB of memory that must be there for it at full size."""

OURS = tuple(name for name in PATHS if name.startswith("ours"))


def prepare(work: Path, store_folder: Path, small: bool) -> dict[str, Any]:
    """Exports the float U-Net to the store, copies it and writes the four inputs."""
    import numpy as np

    from workbench.progress import visible
    from workbench.runtimes.openvino.session import openvino_files
    from workbench.sources import Request, resolve
    from workbench.store.environment import environment
    from workbench.store.store import Store

    network = resolve(Request(SOURCES[small], Store(store_folder), "unet", progress=visible))[0]
    rng, arrays = np.random.default_rng(0), {}
    for i, timestep in enumerate(CALIBRATE + CHECK):
        for name, value in network.feed.items():
            drawn = rng.standard_normal(value.shape, dtype=np.float32)
            arrays[f"{i}/{name}"] = np.full(value.shape, timestep, value.dtype) if name == "timestep" else drawn
    np.savez(work / "inputs.npz", **arrays)
    assert network.file is not None
    folder = work / "fp32"
    folder.mkdir(exist_ok=True)
    for file in openvino_files(network.file):
        shutil.copy(file, folder)  # quantize_static writes beside what it reads, which isn't for the store
    return {"file": str(folder / network.file.name), "export": str(network.file), "environment": environment()}


def inputs_of(work: Path) -> list[dict[str, Any]]:
    """The inputs that calibrate and those that check, in this order."""
    import numpy as np

    found: list[dict[str, Any]] = [{} for _ in CALIBRATE + CHECK]
    with np.load(work / "inputs.npz") as arrays:
        for key in arrays:
            place, _, name = key.partition("/")
            found[int(place)][name] = arrays[key]
    return found


def make(name: str, fp32: Path, work: Path) -> dict[str, Any]:
    """Makes one file; what it is, and what the machine did meanwhile."""
    from workbench.graphs.costs import int8_shares, node_costs
    from workbench.profile.disturbance import between, moment
    from workbench.runtimes.openvino.format import costs as openvino_costs
    from workbench.runtimes.openvino.session import openvino_files

    _, how, suffix, _ = PATHS[name]
    out, before = work / name / f"model.{suffix}", moment()
    start = time.perf_counter()
    how(fp32, inputs_of(work)[: len(CALIBRATE)], out)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    costs = openvino_costs(out) if suffix == "xml" else node_costs(out)
    return {
        "file": str(out),
        "bytes": sum(file.stat().st_size for file in openvino_files(out)),
        "seconds": seconds,
        "peak_rss_bytes": peak,
        "int8_macs_share": int8_shares(costs)["macs"],
        "noise": between(before, moment()),
    }


def measure(runtime: str, names: list[str], fp32: Path, work: Path, passes: int) -> dict[str, Any]:
    """Times fp32 and as many of the named files as memory takes, interleaved; the others are ``left``."""
    import psutil

    from workbench.measure.clock import interleaved
    from workbench.measure.sqnr import sqnr_db
    from workbench.profile.disturbance import between, moment
    from workbench.profile.doubts import disturbances
    from workbench.runtimes.onnxruntime.session import session
    from workbench.runtimes.openvino.session import OpenVinoSession, openvino_files
    from workbench.store.processor import usable_cores

    load: Any = session if runtime == "onnxruntime" else OpenVinoSession
    checks = inputs_of(work)[len(CALIBRATE) :]
    files = {"fp32": fp32} | {name: work / name / f"model.{PATHS[name][2]}" for name in names}
    # A file whose weights are unpacked when it is loaded takes what the float one does, and its activations.
    room = 3 * sum(file.stat().st_size for file in openvino_files(fp32))
    calls: dict[str, Callable[[], object]] = {}
    rows: dict[str, Any] = {}
    refused: dict[str, str] = {}
    left: list[str] = []
    expected: list[Any] = []
    for name, file in files.items():
        if len(calls) > 1 and psutil.virtual_memory().available < room:
            left.append(name)
            continue
        start = time.perf_counter()
        try:
            network = load(file, usable_cores())
            loaded = time.perf_counter() - start
            found = [network.run(None, inputs)[0] for inputs in checks]
        except Exception as error:  # what a runtime can't do it says in a dozen classes
            refused[name] = str(error).splitlines()[0]
            continue
        expected = expected or found
        db = [sqnr_db(one, other) for one, other in zip(expected, found, strict=True)]
        rows[name] = {"load_s": loaded, "sqnr_db": statistics.fmean(db), "sqnr_db_each": db}
        calls[name] = partial(network.run, None, checks[0])
    before = moment()
    timed = interleaved(calls, WARMUP, passes, 0.0)
    noise = between(before, moment())
    told = disturbances(noise, f"passes on {RUNTIMES[runtime]}")
    for name, stats in timed.items():
        rows[name] |= {"ms": stats.summary(samples=True), "speedup": timed["fp32"].median / stats.median}
        told += stats.warnings(f"{name} on {RUNTIMES[runtime]}")
    return {"rows": rows, "refused": refused, "left": left, "noise": noise, "warnings": told}


def child(words: list[str], store: Path, small: bool, passes: int, work: Path) -> dict[str, Any]:
    """What a process of its own does: prepare, make NAME FP32, or measure FP32 RUNTIME NAME …"""
    what, *rest = words
    if what == "prepare":
        return prepare(work, store, small)
    if what == "make":
        name, fp32 = rest
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir()
        return make(name, Path(fp32), work)
    fp32, runtime, *names = rest
    return measure(runtime, names, Path(fp32), work, passes)
