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
runtime's fp32 interleaved; how many times as fast as that fp32; SQNR against its output, mean of the two inputs.

This file starts the processes and imports nothing large: a process's peak memory begins with its parent's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from full_size_work import OURS, PATHS, RUNTIMES, SOURCES, WARMUP, child

LEAST = 2.0
"""Times as fast as fp32 on OpenVINO: what our W8A8 for OpenVINO should reach at full size."""


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
    import psutil

    available, needed = psutil.virtual_memory().available, PATHS[name][3] * 1e9
    if small or available >= needed:
        return ""
    return f"needs about {needed / 1e9:.1f} GB of memory, {available / 1e9:.1f} GB are available"


def own_code() -> str:
    """SHA-256 over the package's files that quantize: what ours made with others is made again."""
    folder = Path(__file__).resolve().parents[1] / "workbench" / "compress"
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).hexdigest()


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
        print(json.dumps(child(asked.child, asked.store, asked.small, asked.passes, work)))
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
    print(f"\n{table(made, timed)}\n\nn = {asked.passes} passes of each, interleaved, after {WARMUP}")
    print("\n".join(f"{name}: {PATHS[name][0]}" for name in made if name != "fp32"))
    warned = [*noise_of_making(made), *warned]
    print("\n".join([*problems, *warned] or ["The machine was quiet."]))
    if asked.json:
        told = {"environment": facts, "made": made, "timed": timed, "problems": problems, "warnings": warned}
        asked.json.write_text(json.dumps(told, indent=1))
    reached = timed["openvino"].get("ours-openvino", {}).get("speedup", 0)
    short = not asked.small and "ours-openvino" in asked.only and reached < LEAST
    return int(bool(problems) or short)


def size_of(fp32: Path) -> int:
    """Bytes of the float file and its external data."""
    return sum(file.stat().st_size for file in fp32.parent.glob(f"{fp32.name}*"))


def noise_of_making(made: dict[str, Any]) -> list[str]:
    """Sentences about disturbed times of making."""
    from workbench.profile.doubts import disturbances

    noisy = {name: row["noise"] for name, row in made.items() if "noise" in row}
    return [line for name, noise in noisy.items() for line in disturbances(noise, f"making {name}")]


if __name__ == "__main__":
    sys.exit(main())
