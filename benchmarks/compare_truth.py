"""Known truth for ``workbench compare``: equal networks, a whole that is 5 % slower, a layer that is a third slower.

Every comparison is made as the verb makes it, loads and all. The slowdown is real work: a chain of matrix products
beside the network, as many as a measurement before the benchmark says are 5 % of it; that measurement is printed. The
slowed layer has a column of zeros added to its 3×3 kernel, which is 4/3 of its multiplications and the same result.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from slowed import with_ballast, with_wider_kernel

from workbench.comparing.interleaved import Plan, Taken, measure
from workbench.comparing.layers import called
from workbench.comparing.ratio import FASTER, SAME, SLOWER
from workbench.measure.network import Network
from workbench.profile import disturbance
from workbench.progress import quiet, visible
from workbench.runtimes.base import Runtime, runtime
from workbench.sources import Request, resolve
from workbench.store.environment import environment
from workbench.store.store import Store
from workbench.verbs.compare.compare import How, compare_networks

SLOWED_LAYER = {"unet": "up_blocks.2.resnets.0.conv1", "vae_decoder": "decoder.up_blocks.2.resnets.0.conv1"}
MOST_CALLED, LEAST_FOUND = 0.05, 0.90
"""What has to be reached: differences called between equal networks, and slowdowns found."""


def main() -> int:
    """Runs the benchmark; 0 when the figures are reached."""
    asked = _arguments()
    place = runtime("onnxruntime")
    (network,) = resolve(Request("demo", Store(asked.store), asked.component, progress=visible))
    plan = Plan(min_seconds=asked.min_seconds, max_seconds=asked.max_seconds)
    before, start = disturbance.moment(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="workbench-truth-") as folder:
        slowed, truth = _calibrated(network, place, asked.threads, asked.slowdown, Path(folder))
        print(
            f"{asked.component}, {place.name}, {asked.threads} thread(s); slowdown by {truth['products']} products, "
            f"measured {truth['value']:.4f} ({truth['low']:.4f} to {truth['high']:.4f})"
        )
        rows = [
            _many("A/A", network, network, asked.equal, place, asked.threads, plan),
            _many(f"B {asked.slowdown:.0%} slower", network, slowed, asked.slower, place, asked.threads, plan),
        ]
        layers = _layers(network, place, asked.threads, plan, asked.layers, Path(folder))
    disturbed = disturbance.between(before, disturbance.moment())
    reached = {
        "equal_called": rows[0]["called"] <= MOST_CALLED * rows[0]["n"],
        "slower_found": rows[1][SLOWER] >= LEAST_FOUND * rows[1]["n"],
        "layer_found": all(run["found"] for run in layers["slowed"]),
    }
    _show(rows, layers, reached, time.monotonic() - start, disturbed)
    if asked.json:
        told = {"component": asked.component, "threads": asked.threads, "truth": truth, "rows": rows, "layers": layers}
        more = {"reached": reached, "noise": disturbed, "environment": environment()}
        asked.json.write_text(json.dumps(told | more, indent=1))
    return 0 if all(reached.values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--component", default="unet", choices=("unet", "text_encoder", "vae_decoder"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--equal", type=int, default=100, help="comparisons of equal networks")
    parser.add_argument("--slower", type=int, default=50, help="comparisons with the slowed network")
    parser.add_argument("--layers", type=int, default=3, help="comparisons of layers, equal and with a slowed one")
    parser.add_argument("--slowdown", type=float, default=0.05)
    parser.add_argument("--min-seconds", type=float, default=Plan().min_seconds, help="as for the verb")
    parser.add_argument("--max-seconds", type=float, default=Plan().max_seconds, help="as for the verb")
    parser.add_argument("--store", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    return parser.parse_args()


def _calibrated(
    network: Network, place: Runtime, threads: int, slowdown: float, folder: Path
) -> tuple[Network, dict[str, Any]]:
    """The network with a ballast of ``slowdown``, and a measurement of it, longer than the verb's."""

    def against(products: int, plan: Plan) -> tuple[Network, Taken]:
        assert network.file is not None
        file = with_ballast(network.file, folder / f"ballast_{products}.onnx", products)
        heavy = replace(network, candidate=f"ballast_{products}", file=file)
        return heavy, measure(partial(place.load, network, threads), partial(place.load, heavy, threads), plan)

    products = 64
    for share in (0.3, slowdown):  # first roughly, with a ballast that is easily seen; then near the size in evaluation
        _, taken = against(products, Plan(width=0.005))
        products = max(1, round(products * share / max(taken.ratio.value - 1, 0.002)))
    heavy, taken = against(products, Plan(min_seconds=6, width=0.0, max_seconds=40))
    return heavy, {"products": products, **taken.ratio.as_json()}


def _many(what: str, a: Network, b: Network, n: int, place: Runtime, threads: int, plan: Plan) -> dict[str, Any]:
    found: list[Taken] = []
    with visible(what, n) as tick:
        for done in range(n):
            found.append(measure(partial(place.load, a, threads), partial(place.load, b, threads), plan))
            tick(done + 1, found[-1].ratio.outcome())
    outcomes = [taken.ratio.outcome() for taken in found]
    counts = {outcome: outcomes.count(outcome) for outcome in (SLOWER, FASTER, SAME)}
    return {
        "what": what,
        "n": n,
        **counts,
        "called": counts[SLOWER] + counts[FASTER],
        "ratio": statistics.median(taken.ratio.value for taken in found),
        "half_width": statistics.median(taken.ratio.half_width for taken in found),
        "loads": statistics.mean(len(taken.loads) for taken in found),
        "seconds": statistics.mean(taken.seconds for taken in found),
        "ratios": [taken.ratio.as_json() for taken in found],
    }


def _layers(network: Network, place: Runtime, threads: int, plan: Plan, n: int, folder: Path) -> dict[str, Any]:
    layer = SLOWED_LAYER.get(network.component)
    if layer is None:
        return {"layer": None, "equal": [], "slowed": []}
    assert network.file is not None
    slowed = replace(
        network, candidate="slowed", file=with_wider_kernel(network.file, folder / "slowed.onnx", layer, 1)
    )
    runs: dict[str, list[dict[str, Any]]] = {"equal": [], "slowed": []}
    with visible("layers", 2 * n) as tick:
        for done in range(2 * n):
            which = ("equal", "slowed")[done % 2]
            b = network if which == "equal" else slowed
            compared, _ = compare_networks(network, b, place, How(place.name, threads, plan), quiet)
            differ = called(compared.layers or ())
            runs[which].append(
                {
                    "whole": compared.ratio.as_json(),
                    "called": [change.as_json() for change in differ],
                    "found": any(change.layer == layer and change.outcome == SLOWER for change in differ),
                    "others": sum(change.layer != layer for change in differ),
                }
            )
            tick(done + 1)
    return {"layer": layer, "work": "4/3 of its multiplications", **runs}


def _show(
    rows: list[dict[str, Any]],
    layers: dict[str, Any],
    reached: dict[str, bool],
    seconds: float,
    disturbed: dict[str, Any],
) -> None:
    print(f"{'':14} {'n':>4} {'slower':>7} {'faster':>7} {'same':>5} {'ratio':>7} {'±':>6} {'loads':>6} {'s each':>7}")
    for r in rows:
        counts = f"{r['n']:4} {r[SLOWER]:7} {r[FASTER]:7} {r[SAME]:5}"
        print(f"{r['what']:14} {counts} {r['ratio']:7.4f} {r['half_width']:6.1%} {r['loads']:6.1f} {r['seconds']:7.1f}")
    for which in ("equal", "slowed"):
        for run in layers[which]:
            told = ", ".join(f"{c['layer']} {c['ratio']['value'] - 1:+.0%}" for c in run["called"]) or "no layer"
            print(f"layers, {which}: {told} (whole {run['whole']['value']:.4f}, {run['whole']['outcome']})")
    taken = {name: f"{value:.0%}" for name, value in disturbed.items() if name.endswith("_share") and value is not None}
    print(f"reached: {reached}; {seconds / 60:.1f} min; meanwhile {taken}")


if __name__ == "__main__":
    sys.exit(main())
