"""Kernel time on a layer: fp32 and W8A8, on ONNX Runtime and OpenVINO, for the demo U-Net and full-size BK-Tiny.

``python benchmarks/coverage.py [--store DIR] [--only demo] [--json FILE]``: every case runs in a process of its own, so
that its peak memory is its own. The full-size net has random weights (seed 0): its times and coverage mean something,
its pictures don't. W8A8 is calibrated on one pass there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODELS = {"demo": "demo", "bk-tiny": "arch:bk-tiny"}
FORMS = ("fp32", "w8a8", "w8a8-openvino")
PASSES, WARMUP, THREADS = 5, 1, 2


def case(source: str, form: str, runtime_name: str, store_folder: Path) -> dict[str, Any]:
    """One line of the table."""
    from workbench.measure.clock import Stats
    from workbench.profile.counts import count_network
    from workbench.runtimes.base import runtime
    from workbench.sources import Request, resolve
    from workbench.store.store import Store

    store = Store(store_folder)
    float_network = resolve(Request(source, store, "unet"))[0]
    counted = count_network(float_network)
    network = float_network if form == "fp32" else quantized(float_network, form, store_folder)
    place = runtime(runtime_name)
    load_start = time.perf_counter()
    call = place.load(network, THREADS)
    loaded = time.perf_counter() - load_start
    samples = []
    for _ in range(PASSES + WARMUP):
        start = time.perf_counter()
        call()
        samples.append((time.perf_counter() - start) * 1e3)
    del call
    start = time.perf_counter()
    layers = place.layers(network, counted, THREADS, WARMUP, PASSES)
    pass_seconds = time.perf_counter() - start
    on_layers = {"(unmapped)", "(runtime)"}
    stats = Stats(tuple(samples[WARMUP:]))
    return {
        "mapped_share": 1 - layers.unmapped_share,
        "layers": int((~layers.table["layer"].isin(on_layers)).sum()),
        "fused": int(layers.table["fused_into"].fillna("").ne("").sum()) if "fused_into" in layers.table else 0,
        "median_ms": stats.median,
        "iqr_ms": stats.iqr,
        "n": stats.n,
        "load_s": loaded,
        "layer_pass_s": pass_seconds,
        "beside_the_passes_s": pass_seconds - (PASSES + WARMUP) * layers.wall_ms / 1e3 - loaded,
        "kernel_over_wall": layers.kernel_ms / layers.wall_ms if layers.kernel_ms else None,
        "int8_macs_share": layers.integer.layers,
        "file_bytes": sum(file.stat().st_size for file in place.files(network)),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def quantized(network: Any, form: str, store_folder: Path) -> Any:
    """The network in W8A8, made once: QDQ for ONNX Runtime, or OpenVINO's own format by NNCF."""
    from dataclasses import replace

    assert network.file is not None
    name = "model.onnx" if form == "w8a8" else "model.xml"
    out = store_folder / "coverage" / f"{network.file.parent.name}-{form}" / name
    if not out.is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        (quantize_for_onnxruntime if form == "w8a8" else quantize_for_openvino)(network, out)
    return replace(network, file=out, scheme="w8a8", torch=None)


def layers_of(path: Path) -> list[str]:
    """Convolutions and linears, but those that the default policy exempts."""
    from workbench.compress.quantize import policies
    from workbench.compress.quantize.policies import Layer
    from workbench.graphs.costs import node_costs

    costs = [cost for cost in node_costs(path) if cost.weights]
    layers = [Layer(c.layer, c.weights, c.macs) for c in costs]
    exempt = policies.exempt(layers, "nvidia", [])
    return [layer.path for layer in layers if layer.path not in exempt]


def quantize_for_onnxruntime(network: Any, out: Path) -> None:
    """Ranges from one pass on the network's own inputs."""
    import onnx_ir as ir

    from workbench.compress.quantize.calibration.observe import Observed
    from workbench.compress.quantize.calibration.ranges import Ranges
    from workbench.compress.quantize.onnx.gemm import biased_linears_as_gemm
    from workbench.compress.quantize.onnx.qdq import nodes_of, quantize_qdq, tensors_of
    from workbench.compress.quantize.onnx.write_weights import drop_unused, matrix_of
    from workbench.compress.quantize.weights.grid import Grid
    from workbench.compress.quantize.weights.rounding import round_weights
    from workbench.export.onnx import save

    layers, model = layers_of(network.file), ir.load(network.file)
    ir.external_data.load_to_model(model)
    biased_linears_as_gemm(model, layers)
    nodes = nodes_of(model, layers)
    ranges = Ranges(tensors_of(nodes), "minmax")
    observed = Observed(model, network.file, ranges.tensors, ranges.extremes)
    ranges.add(observed.run(dict(network.feed))[1])
    rounded = {str(node.name): round_weights(matrix_of(node), Grid(8), "nearest") for node in nodes}
    quantize_qdq(model, nodes, rounded, ranges.result())
    drop_unused(model)
    save(model, out)


def quantize_for_openvino(network: Any, out: Path) -> None:
    """NNCF on the same pass."""
    from workbench.compress.quantize.nncf.openvino import quantize_openvino

    quantize_openvino(network.file, layers_of(network.file), [dict(network.feed)], out)


def main() -> int:
    """Runs all cases and prints the table; 1 when one is below what it should reach."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--store", type=Path, default=Path(".workbench"))
    parser.add_argument("--only", choices=MODELS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(case(*asked.case, asked.store)))
        return 0
    rows = []
    print(
        "model    form           runtime      on a layer  median ms   n  load s  beside s  int8 MACs  peak GB",
        flush=True,
    )
    for model in [asked.only] if asked.only else MODELS:
        for form in FORMS:
            for name in ("onnxruntime", "openvino"):
                if form == "w8a8-openvino" and name == "onnxruntime":
                    continue
                words = [sys.executable, __file__, "--store", str(asked.store), "--case", MODELS[model], form, name]
                done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
                row = {"model": model, "form": form, "runtime": name, **json.loads(done.stdout.splitlines()[-1])}
                rows.append(row)
                print(
                    f"{model:8} {form:14} {name:12} {row['mapped_share']:9.2%} {row['median_ms']:11.1f} {row['n']:3} "
                    f"{row['load_s']:7.1f} {row['beside_the_passes_s']:9.1f} {row['int8_macs_share']:10.1%} "
                    f"{row['peak_rss_bytes'] / 1e9:8.2f}",
                    flush=True,
                )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))
    least = {"onnxruntime": 0.98, "openvino": 0.95}
    return int(any(row["mapped_share"] < least[row["runtime"]] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
