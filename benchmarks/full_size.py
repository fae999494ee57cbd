"""W8A8 of full-size BK-Tiny, ours beside that of the libraries used straight, made and timed in one run.

``python benchmarks/full_size.py [--store DIR] [--work DIR] [--only PATH …] [--small] [--passes 7] [--json FILE]``: the
U-Net has random weights (seed 0, 323 M parameters, latent 4×64×64, 77 tokens), so its times, sizes and memory mean
something and its pictures don't. All paths see the same two inputs and are checked on two others (noise as latent,
normal text states, four timesteps). Every path runs in a process of its own. What was made is kept in the work folder,
so that a run that was cut off goes on; a path for which memory doesn't suffice is told and left out. ``--small`` takes
the demo's U-Net, to try the program.

Columns: bytes on disk; seconds that making it took, imports included; peak resident memory of the process that made
it, mapped files included; share of the multiply-accumulates of convolutions and linears that the file has in int8. Then
by runtime, all cores, float32 where nothing is quantized: median and interquartile range of one pass, all files and the
runtime's fp32 in turns; how many times as fast as that fp32; SQNR against its output, mean of the two inputs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
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
LEAST = 2.0
"""Times as fast as fp32 on OpenVINO: what our W8A8 for OpenVINO should reach at full size."""

Make = Callable[[Path, list[dict[str, Any]], Path], None]
"""``make(fp32, inputs, out)``."""


def layers_of(fp32: Path, policy: Any) -> list[str]:
    """Convolutions and linears, but those that the policy exempts."""
    from workbench.compress import policies
    from workbench.compress.policies import Layer
    from workbench.export.graph_macs import node_costs

    costs = [cost for cost in node_costs(fp32) if cost.weights]
    layers = [Layer(c.layer, "Conv" if c.op == "Conv" else "Linear", c.weights, c.macs) for c in costs]
    exempt = policies.exempt(layers, policy)
    return [layer.path for layer in layers if layer.path not in exempt]


class Given:
    """Inputs that are there already, in the place of those that a step draws from its parent."""

    component = "unet"

    def __init__(self, inputs: list[dict[str, Any]], method: Any) -> None:
        from types import SimpleNamespace

        from workbench.compress.samples import Calibration
        from workbench.progress import quiet

        self.config, self.context = Calibration(method=method), SimpleNamespace(progress=quiet)
        self._inputs = inputs

    def count(self) -> int:
        """Inputs."""
        return len(self._inputs)

    def calibrate(self, run: Callable[[dict[str, Any], bool], Any]) -> Any:
        """Runs and yields each."""
        for inputs in self._inputs:
            run(inputs, True)
            yield inputs


def ours(scheme: str, method: str = "mse") -> Make:
    """Our own ranges and rounding (scale search), under the scheme's default policy."""

    def make(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
        from workbench.compress.quantize_config import DEFAULT_POLICY
        from workbench.compress.quantize_onnx import Quantizer, Settings

        granularity = "per_channel" if scheme == "w8a8" else "group"
        settings = Settings(scheme, granularity, group_size=None, rounding="mse")
        state = out.parent / "state"
        state.mkdir()
        quantizer = Quantizer(fp32, layers_of(fp32, DEFAULT_POLICY[scheme]), settings, state)
        found = quantizer.gather(Given(inputs, method))  # type: ignore[arg-type]
        quantizer.write(found.rounded, found.ranges, out)

    return make


def ours_openvino(fp32: Path, inputs: list[dict[str, Any]], out: Path) -> None:
    """NNCF on the OpenVINO model as our step calls it."""
    from workbench.compress.nncf_openvino import quantize_openvino

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


# --- in processes of their own: each prints one line of JSON


def prepare(work: Path, store_folder: Path, small: bool) -> dict[str, Any]:
    """Exports the float U-Net to the store, copies it and writes the four inputs."""
    import numpy as np

    from workbench.export.openvino import openvino_files
    from workbench.progress import shown
    from workbench.store.environment import environment
    from workbench.store.store import Store
    from workbench.subjects import resolve

    network = resolve(SOURCES[small], "unet", {}, 0, Store(store_folder), shown, "onnx")[0]
    rng, arrays = np.random.default_rng(0), {}
    for i, timestep in enumerate(CALIBRATE + CHECK):
        for name, value in network.feed.items():
            drawn = rng.standard_normal(value.shape, dtype=np.float32)
            arrays[f"{i}/{name}"] = np.full(value.shape, timestep, value.dtype) if name == "timestep" else drawn
    np.savez(work / "inputs.npz", **arrays)  # type: ignore[arg-type]
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
    from workbench.export.graph_macs import int8_shares, node_costs
    from workbench.export.openvino import openvino_files
    from workbench.export.openvino_graph import openvino_costs
    from workbench.profile.noise import between, moment

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
    """Times fp32 and as many of the named files as memory takes, in turns; the others are ``left``."""
    from workbench.export.load import session
    from workbench.export.openvino import OpenVinoSession, openvino_files
    from workbench.export.verify import sqnr_db
    from workbench.profile.clock import interleaved
    from workbench.profile.memory import available_bytes
    from workbench.profile.noise import between, moment, warnings
    from workbench.store.environment import usable_cores

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
        available = available_bytes()
        if len(calls) > 1 and available is not None and available < room:
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
        calls[name] = lambda network=network: network.run(None, checks[0])  # type: ignore[misc]
    before = moment()
    timed = interleaved(calls, WARMUP, passes, 0.0)
    noise = between(before, moment())
    told = warnings(noise, f"passes on {RUNTIMES[runtime]}")
    for name, stats in timed.items():
        rows[name] |= {"ms": stats.summary(samples=True), "speedup": timed["fp32"].median / stats.median}
        told += stats.warnings(f"{name} on {RUNTIMES[runtime]}")
    return {"rows": rows, "refused": refused, "left": left, "noise": noise, "warnings": told}


# --- the one that starts them; it imports nothing large, since a process's peak memory begins with its parent's


def run(words: list[str], log: Path) -> dict[str, Any] | str:
    """The child's last line with its wall seconds, or why there is none; what it says goes to ``log``."""
    folder = log.parent / "tmp"
    folder.mkdir(exist_ok=True)
    root = str(Path(__file__).resolve().parents[1])
    env = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    start = time.monotonic()
    with log.open("w") as errors:
        command = [sys.executable, __file__, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=env)
    seconds = time.monotonic() - start
    shutil.rmtree(folder)
    if done.returncode:
        said = log.read_text().strip().splitlines()
        return f"ended with {done.returncode}: {said[-1] if said else 'nothing said'} ({log})"
    return {**json.loads(done.stdout.splitlines()[-1]), "process_seconds": seconds}


def remembered(
    file: Path, asked: Any, words: list[str], log: Path, obstacle: Callable[[], str] = str
) -> dict[str, Any] | str:
    """What ``file`` keeps of an earlier run that was asked the same, else what the child or the obstacle says now."""
    if file.is_file():
        kept = json.loads(file.read_text())
        if kept["asked"] == asked and Path(kept["found"].get("file", file)).is_file():
            return {**kept["found"], "earlier": True}
    found = obstacle() or run(words, log)
    if isinstance(found, dict):
        file.write_text(json.dumps({"asked": asked, "found": found}, indent=1))
    return found


def lacking(name: str, small: bool) -> str:
    """Why a path can't be made in the memory that there is now, "" when it can."""
    from workbench.profile.memory import available_bytes

    available, needed = available_bytes(), PATHS[name][3] * 1e9
    if small or available is None or available >= needed:
        return ""
    return f"needs about {needed / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are available"


def own_code() -> str:
    """SHA-256 over the package's files that quantize: what ours made with others is made again."""
    folder = Path(__file__).resolve().parents[1] / "workbench" / "compress"
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))).hexdigest()


def table(made: dict[str, Any], timed: dict[str, dict[str, Any]]) -> str:
    """The figures as plain text."""
    head = f"{'path':14} {'MB':>6} {'make s':>7} {'peak GB':>8} {'int8 MACs':>10}"
    lines = [head + "".join(f" | {title + ': ms (IQR)':>26} {'× fp32':>7} {'dB':>6}" for title in RUNTIMES.values())]
    for name, row in made.items():
        line = f"{name:14} {row['bytes'] / 1e6:6.1f}"
        if "int8_macs_share" in row:
            line += f" {row['seconds']:7.1f} {row['peak_rss_bytes'] / 1e9:8.2f} {row['int8_macs_share']:10.1%}"
        else:
            line += f" {'-':>7} {'-':>8} {'-':>10}"
        for runtime in RUNTIMES:
            found = timed.get(runtime, {}).get(name)
            if found:
                time_ms = f"{found['ms']['median']:.1f} ({found['ms']['iqr']:.1f})"
                db = "-" if name == "fp32" else f"{found['sqnr_db']:.1f}"
                line += f" | {time_ms:>26} {found['speedup']:7.2f} {db:>6}"
            else:
                line += f" | {'-':>26} {'-':>7} {'-':>6}"
        lines.append(line)
    return "\n".join(lines)


def main() -> int:
    """Makes, times, prints; 1 when a path failed or our W8A8 on OpenVINO is below what it should reach."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--store", type=Path, default=Path(".workbench"), help="where the float export is kept")
    parser.add_argument("--work", type=Path, help="where the made files are kept; default: full_size in the store")
    parser.add_argument("--only", nargs="+", choices=PATHS, default=list(PATHS), metavar="PATH", help=", ".join(PATHS))
    parser.add_argument("--small", action="store_true", help="the demo's U-Net")
    parser.add_argument("--passes", type=int, default=7, help="timed passes of each file; at least 5")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.passes < 5:
        parser.error(f"--passes: found {asked.passes}; needs at least 5")
    work = (asked.work or asked.store / "full_size").resolve() / ("small" if asked.small else "full")
    if asked.child:
        print(json.dumps(child(asked, work)))
        return 0
    work.mkdir(parents=True, exist_ok=True)
    shared = ["--store", str(asked.store.resolve()), "--work", str(work.parent), "--passes", str(asked.passes)]
    shared += ["--small"] if asked.small else []
    # Always asked: what the store has already, it gives at once, and what changed since, it makes again.
    ready = run([*shared, "--child", "prepare"], work / "prepare.log")
    if isinstance(ready, str):
        print(f"prepare: {ready}", file=sys.stderr)
        return 1
    fp32, problems = Path(ready["file"]), []
    facts, own = ready["environment"], own_code()
    versions = ", ".join(f"{name} {facts['libraries'][name]}" for name in ("onnxruntime", "openvino", "nncf", "onnx"))
    print(
        f"{SOURCES[asked.small]}; {facts['cpu']}, {' '.join(facts['cpu_flags'] or [])}; {facts['cores_usable']} cores, "
        f"{(facts['memory_bytes'] or 0) / 1e9:.1f} GB; Python {facts['python']}, {versions}\n"
        f"fp32 export: {ready['process_seconds']:.1f} s (from the store where it has one)",
        flush=True,
    )
    made: dict[str, Any] = {"fp32": {"bytes": size_of(fp32)}}
    warned: list[str] = []
    for name in asked.only:
        key = {"export": ready["export"], "libraries": facts["libraries"], "code": own if name in OURS else ""}
        words = [*shared, "--child", "make", name, str(fp32)]
        found = remembered(work / f"{name}.json", key, words, work / f"{name}.log", partial(lacking, name, asked.small))
        if isinstance(found, str):
            problems.append(f"{name}: {found}")
            print(problems[-1], flush=True)
            continue
        made[name] = found
        print(f"{name}: made in {found['seconds']:.1f} s{' earlier' if found.get('earlier') else ''}", flush=True)
    timed: dict[str, dict[str, Any]] = {}
    for runtime in RUNTIMES:
        wanted = [name for name in made if name != "fp32" and (runtime == "openvino" or PATHS[name][2] == "onnx")]
        timed[runtime] = {}
        while wanted:
            key = {"passes": asked.passes, "made": {name: made[name]["seconds"] for name in wanted}}
            words = [*shared, "--child", "measure", str(fp32), runtime, *wanted]
            place = f"{runtime}-{len(wanted)}"
            found = remembered(work / f"{place}.json", key, words, work / f"{place}.log")
            if isinstance(found, str):
                problems.append(f"{RUNTIMES[runtime]}: {found}")
                break
            problems += [f"{name}: {RUNTIMES[runtime]} can't run it: {why}" for name, why in found["refused"].items()]
            warned += found["warnings"]
            timed[runtime] = found["rows"] | timed[runtime]  # fp32 as first measured; ratios are those of their turns
            wanted = found["left"]
    print(f"\n{table(made, timed)}\n\nn = {asked.passes} passes of each, in turns, after {WARMUP}")
    print("\n".join(f"{name}: {PATHS[name][0]}" for name in made if name != "fp32"))
    warned = [*noise_of_making(made), *warned]
    print("\n".join([*problems, *warned] or ["The machine was quiet."]))
    if asked.json:
        told = {"environment": facts, "made": made, "timed": timed, "problems": problems, "warnings": warned}
        asked.json.write_text(json.dumps(told, indent=1))
    reached = timed["openvino"].get("ours-openvino", {}).get("speedup", 0)
    short = not asked.small and "ours-openvino" in asked.only and reached < LEAST
    return int(bool(problems) or short)


def child(asked: argparse.Namespace, work: Path) -> dict[str, Any]:
    """What a process of its own does."""
    what, *rest = asked.child
    if what == "prepare":
        return prepare(work, asked.store, asked.small)
    if what == "make":
        name, fp32 = rest
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir()
        try:
            return make(name, Path(fp32), work)
        finally:
            shutil.rmtree(work / name / "state", ignore_errors=True)  # copies of the float graph
    fp32, runtime, *names = rest
    return measure(runtime, names, Path(fp32), work, asked.passes)


def size_of(fp32: Path) -> int:
    """Bytes of the float file and its external data."""
    return sum(file.stat().st_size for file in fp32.parent.glob(f"{fp32.name}*"))


def noise_of_making(made: dict[str, Any]) -> list[str]:
    """Sentences about disturbed times of making."""
    from workbench.profile.noise import warnings

    return [line for name, row in made.items() if "noise" in row for line in warnings(row["noise"], f"making {name}")]


if __name__ == "__main__":
    sys.exit(main())
