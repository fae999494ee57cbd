"""Peak memory and time of attention against the number of tiles that its rows are cut into, on ONNX Runtime.

``python benchmarks/attention_tiles.py [--only attention demo] [--rows 4096] [--heads 8] [--side 64] [--tiles 1 2 4 …]
[--threads 1] [--target adb] [--json FILE]``: a self-attention alone (SD-v1's largest by default, in float32) and the
demo's U-Net at larger latents than it was trained for.

Columns: greatest difference from the un-tiled output; most bytes of values alive at one time, and the same while an
attention runs (estimated from the graph and the order in which nodes ran); most bytes that the runtime itself held, and
the same while an attention runs (measured, its profile); peak resident set of a fresh process less what the runtime
takes by itself (measured); median time of a pass (n in the JSON). Ends with 1 where an output differs by more than
1e-5, or no number of tiles brings what is alive while an attention runs to a quarter.

``--target adb`` (or ``adb:SERIAL``) measures on devices instead, each file by ``workbench profile``; with the rig's:
``python tests/device_rig/rig.py run python benchmarks/attention_tiles.py --target adb``. There it is the attention
alone at 2048 rows in 1, 2, 4 and 8 tiles unless asked otherwise (``--rows 512`` where the device is emulated: at 2048 a
pass takes minutes there). Columns: greatest difference from the un-tiled output
on the host; the same file's on the device from the host's; peak resident set of the process on the device, and the same
less what the runtime takes by itself (measured there; under emulation the emulator's own memory is in it); median time
of a pass, which says nothing where the device is emulated. Ends with 1 where tiles change the output by more than 1e-5,
a device's output doesn't agree with the host's, or on some device that isn't emulated no number of tiles brings the
process, less the runtime, to half.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TILES = (1, 2, 4, 8, 13, 16, 32, 64)
EQUAL, PART = 1e-5, 4
DEVICE_TILES, DEVICE_ROWS, DEVICE_PART, DEVICE_PASSES = (1, 2, 4, 8), 2048, 2, 3
BYTES = {
    "live_peak_bytes": "alive MB",
    "attention_peak_bytes": "in attention",
    "held_bytes": "held MB",
    "attention_held_bytes": "in attention",
    "resident_bytes": "resident MB",
}
DEVICE_HEAD = f"tiles  {'target':33}   differs  on device    process MB  less runtime        ms"
HEAD = "  ".join(["tiles", " differs", *(f"{name:>12}" for name in BYTES.values()), f"{'ms':>8}"])


def attention(rows: int, heads: int, out: Path) -> Any:
    """A self-attention with its linear layers, 40 wide a head, as a network."""
    import numpy as np
    import torch
    from diffusers.models.attention_processor import Attention

    from workbench.export.onnx import export_module
    from workbench.measure.network import Network

    class Alone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn1 = Attention(40 * heads, heads=heads, dim_head=40)

        def forward(self, x: torch.Tensor) -> Any:
            return self.attn1(x)

    torch.manual_seed(0)
    feed = {"x": np.random.default_rng(0).standard_normal((1, rows, 40 * heads), np.float32)}
    export_module(lambda: Alone().eval(), feed, None, out)
    return Network("attention", "model", "fp32", feed, out / "model.onnx")


def demo(side: int, store: Path) -> Any:
    """The demo's U-Net with latents of ``side``."""
    from workbench.sources import Request, resolve
    from workbench.store.store import Store

    return resolve(Request("demo", Store(store), "unet", {"sample": (1, 4, side, side)}))[0]


def measured(network: Any, want: Any, threads: int, passes: int) -> dict[str, Any]:
    """One line of the table."""
    import numpy as np

    from workbench.profile.peak_memory import peak_memory
    from workbench.runtimes.onnxruntime.layers import profile_layers
    from workbench.runtimes.onnxruntime.session import session

    run, feed, times = session(network.file, threads), dict(network.feed), []
    got = run.run(None, feed)[0]
    for _ in range(passes):
        start = time.perf_counter()
        run.run(None, feed)
        times.append((time.perf_counter() - start) * 1e3)
    del run
    layers = profile_layers(network, threads, 0, 1)
    own = layers.table[layers.table.layer.str.endswith((".attn1", ".attn2")) | (layers.table.layer == "attn1")]
    peak = peak_memory("onnxruntime", [network], threads)
    return {
        "differs": float(np.abs(got - want).max()),
        "live_peak_bytes": layers.live_peak_bytes,
        "live_peak_at": layers.live_peak_at,
        "attention_peak_bytes": int(own.peak_bytes.max()),
        "held_bytes": int(layers.table.runtime_bytes.max()),
        "attention_held_bytes": int(own.runtime_bytes.max()),
        "resident_bytes": peak.peak - peak.before if peak.peak is not None and peak.before is not None else None,
        "why_no_resident": peak.reason,
        "unmapped_share": layers.unmapped_share,
        "ms": statistics.median(times),
        "n": passes,
    }


def line(row: dict[str, Any]) -> str:
    """A row as the table shows it."""
    cells = [f"{row[name] / 1e6:12.1f}" if row[name] is not None else f"{'–':>12}" for name in BYTES]
    return "  ".join([f"{row['tiles']:5}", f"{row['differs']:8.1e}", *cells, f"{row['ms']:8.1f}"])


def on_devices(network: Any, target: str, threads: int, passes: int, store: Path, out: Path) -> list[dict[str, Any]]:
    """One line of the table for each device, from the profile's JSON."""
    words = ["profile", str(network.file), "--target", target, "--threads", str(threads), "--iterations", str(passes)]
    words += ["--min-seconds", "0", "--warmup", "1", "--store", str(store), "--out", str(out), "--json"]
    command = [sys.executable, "-m", "workbench.cli.main", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # errors go to the terminal
    if done.returncode:
        sys.exit(done.returncode)
    rows = []
    for profile in json.loads(done.stdout)["profiles"]:
        (component,), (said,) = profile["components"].values(), profile["device"]["components"].values()
        peak, before = profile["peak_rss_bytes"], profile["runtime_rss_bytes"]
        known = peak is not None and before is not None
        rows.append(
            {
                "target": profile["target"],
                "emulated": profile["emulated"],
                "device_differs": said["agreement"]["max_abs_error"],
                "agrees": said["agreement"]["agrees"],
                "peak_bytes": peak,
                "runtime_bytes": before,
                "resident_bytes": peak - before if known else None,
                "why_no_peak": profile["peak_rss_reason"],
                "ms": component["latency_ms"]["median"],
                "n": component["latency_ms"]["n"],
            }
        )
    return rows


def device_table(
    network: Any, target: str, tiles: Sequence[int], threads: int, passes: int, store: Path, work: Path
) -> tuple[list[dict[str, Any]], bool]:
    """Prints the table of one network on devices; its rows, and whether they miss what is asked of them."""
    import dataclasses

    import numpy as np

    from workbench.runtimes.onnxruntime.session import session
    from workbench.tile.onnx_tiling import tile_file

    want = session(network.file, threads).run(None, dict(network.feed))[0]
    rows: list[dict[str, Any]] = []
    print(f"{network.label}\n{DEVICE_HEAD}", flush=True)
    for number in sorted({1, *tiles}):
        cut = network
        if number > 1:
            cut = dataclasses.replace(network, file=work / f"tiled_{number}.onnx")
            tile_file(network.file, cut.file, tiles=number)
        got = session(cut.file, threads).run(None, dict(network.feed))[0]
        differs = float(np.abs(got - want).max())
        for row in on_devices(cut, target, threads, passes, store, work / f"profile_{number}"):
            rows.append({"tiles": number, "differs": differs, **row})
            cells = [
                f"{b / 1e6:12.1f}" if b is not None else f"{'–':>12}"
                for b in (row["peak_bytes"], row["resident_bytes"])
            ]
            name = row["target"] + (" (emulated)" if row["emulated"] else "")
            differences = f"{differs:8.1e}  {row['device_differs']:9.1e}"
            print("  ".join([f"{number:5}", f"{name:33}", differences, *cells, f"{row['ms']:8.1f}"]), flush=True)
    missed = not all(row["agrees"] and row["differs"] <= EQUAL for row in rows)
    for name in {row["target"] for row in rows if not row["emulated"]}:
        own = [row["resident_bytes"] for row in rows if row["target"] == name]
        missed |= None in own or min(own) * DEVICE_PART > own[0]
    return rows, missed


def main() -> int:
    """Prints a table for each network."""
    import dataclasses

    from workbench.runtimes.onnxruntime.session import session
    from workbench.tile.onnx_tiling import tile_file

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=("attention", "demo"), help="default: both; on devices attention")
    parser.add_argument("--rows", type=int, help="default: 4096; on devices 2048")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--side", type=int, default=64, help="of the demo's latents")
    parser.add_argument("--tiles", type=int, nargs="+", help=f"default: {TILES}; on devices {DEVICE_TILES}")
    parser.add_argument("--target", default="host", help="host, adb (all ready devices) or adb:SERIAL")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--store", type=Path, default=Path(".workbench"))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    there = asked.target != "host"
    if there and asked.passes < DEVICE_PASSES:
        parser.error(f"--passes: found {asked.passes}; needs at least {DEVICE_PASSES} on devices")
    rows_asked = asked.rows or (DEVICE_ROWS if there else 4096)
    tiles_asked = asked.tiles or (DEVICE_TILES if there else TILES)
    found, missed = {}, False
    for name in asked.only or (("attention",) if there else ("attention", "demo")):
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            network = (
                attention(rows_asked, asked.heads, work / "own")
                if name == "attention"
                else demo(asked.side, asked.store)
            )
            if there:
                settings = (asked.threads, asked.passes, asked.store, work)
                found[name], short = device_table(network, asked.target, tiles_asked, *settings)
                missed |= short
                continue
            want = session(network.file, asked.threads).run(None, dict(network.feed))[0]
            rows = []
            print(f"{network.label}\n{HEAD}", flush=True)
            for tiles in sorted({1, *tiles_asked}):
                cut = network
                if tiles > 1:
                    cut = dataclasses.replace(network, file=work / f"tiled_{tiles}.onnx")
                    tile_file(network.file, cut.file, tiles=tiles)
                rows.append({"tiles": tiles, **measured(cut, want, asked.threads, asked.passes)})
                print(line(rows[-1]), flush=True)
        found[name] = rows
        best = min(row["attention_peak_bytes"] for row in rows)
        missed |= best * PART > rows[0]["attention_peak_bytes"] or max(row["differs"] for row in rows) > EQUAL
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
