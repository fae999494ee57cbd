"""Stable Diffusion 1.5 at full size with random weights: what each part takes, in time and in memory.

``python benchmarks/full_size_recipe.py [--work DIR] [--only PART …] [--samples 2 32 128] [--json FILE]``. Parts:

- ``export``: the U-Net to ONNX, ours beside torch's exporter used straight;
- ``distill``: two steps of BK-SDM-Tiny, one picture of 512 x 512 each, without and with what saves memory;
- ``quantize``: W8A8 of BK-SDM-Tiny and of SD-v1.5's U-Net, at several numbers of calibrating passes;
- ``recipe``: recipes/sd15_bk_tiny_w8a8.yaml without training, two pictures of two steps, killed twice and resumed.

Every part is a process of its own; its peak is the largest sum of resident memory of the process and those below it,
seen five times a second. What was made is kept in the work folder (10 GB), so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PROMPTS = ROOT / "recipes" / "prompts.txt"
RECIPE = ROOT / "recipes" / "sd15_bk_tiny_w8a8.yaml"
CALL = ["from workbench.cli.main import main", "main()"]
PICTURES = 4

BARE = """
import sys, torch
sys.path.insert(0, {root!r})
from pathlib import Path
from workbench.models.sources import base_candidate
from workbench.store.store import Store
candidate = base_candidate("arch:sd-v1", Store(Path({store!r})))
module = candidate.load("unet")
feed = candidate.spec("unet").seeded()
program = torch.onnx.export(module, tuple(torch.from_numpy(v) for v in feed.values()), dynamo=True, opset_version=20)
program.save({out!r}, external_data=True)
"""
OURS = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from workbench.export.onnx import export_component
from workbench.models.sources import base_candidate
from workbench.store.store import Store
export_component(base_candidate("arch:sd-v1", Store(Path({store!r}))), "unet", Path({out!r}))
"""


def peak_of(command: list[str], log: Path, until: Callable[[str], bool] = lambda _said: False) -> dict[str, Any]:
    """Runs a command: its exit status, seconds and peak of memory. It is killed when ``until`` likes what it said."""
    import psutil

    env = os.environ | {"PYTHONPATH": str(ROOT), "ORT_DISABLE_TELEMETRY": "1", "NNCF_CI": "1"}
    start, peak = time.monotonic(), 0
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=env)
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(0.2)
            try:
                tree = [watched, *watched.children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in tree))
            except psutil.Error:
                continue
            if until(log.read_text()):
                process.send_signal(signal.SIGKILL)
    return {"status": process.returncode, "seconds": time.monotonic() - start, "peak_bytes": peak}


def workbench(work: Path, name: str, *words: str, **how: Any) -> dict[str, Any]:
    """A verb in a process of its own; what it says goes to ``NAME.log``."""
    store = ("--store", str(work / "store"))
    return peak_of([sys.executable, "-c", "; ".join(CALL), *words, *store], work / f"{name}.log", **how)


def export(work: Path, _samples: list[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The U-Net's export, straight and ours, from weights that lie there."""
    workbench(work, "arch", "count", "arch:sd-v1")
    for name, code in (("torch's exporter", BARE), ("ours, with its check", OURS)):
        out = work / f"export{len(name)}"
        out.mkdir(exist_ok=True)
        made = str(out / "model.onnx") if code is BARE else str(out)
        text = code.format(root=str(ROOT), store=str(work / "store"), out=made)
        yield f"export: {name}", peak_of([sys.executable, "-c", text], work / f"export{len(name)}.log")


def recipe(work: Path, name: str, steps: list[dict[str, Any]], **keys: Any) -> Path:
    """A recipe on random weights that draws nothing and profiles little."""
    whole = {
        "version": 1,
        "name": name,
        "model": "arch:sd-v1",
        "seed": 0,
        "steps": steps,
        "evaluate": {"pictures": 0, "steps": 25, "guidance_scale": 7.5},
        "profile": {"targets": ["host"], "runtimes": ["onnxruntime"], "iterations": 3, "warmup": 1, "min_seconds": 1},
        "rank": {"maximize": "speed"},
        **keys,
    }
    file = work / f"{name}.yaml"
    file.write_text(json.dumps(whole))  # JSON is YAML
    return file


def pictures(work: Path) -> Path:
    """A few captioned pictures of 512 x 512."""
    import numpy as np
    from PIL import Image

    folder = work / "pictures"
    folder.mkdir(exist_ok=True)
    for i in range(PICTURES):
        blocks = np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((512, 512)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"pattern number {i}")
    return folder


def distill(work: Path, _samples: list[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Two steps of training; killed when they are done, before anything is exported."""
    usual = {"steps": 2, "batch": 1, "start": "copied", "reuse": 1, "precision": "fp32", "save_every": 1, "warmup": 0}
    saving = {"optimizer": "adafactor", "gradient_checkpointing": True}
    for name, keys in (("usual", usual), ("saving", usual | saving)):
        steps = [{"remove_blocks": {"layout": "bk-tiny"}}, {"distill": keys}]
        file = recipe(work, f"distill_{name}", steps, data=str(pictures(work)))
        done = workbench(work, f"distill_{name}", "run", str(file), "--out", str(work), until=lambda t: "export b" in t)
        yield f"distill: {name}", done


def quantize(work: Path, samples: list[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """W8A8, calibrated on two passes for each step and prompt; killed when it is made, before anything is exported."""
    for layout in ("bk-tiny", None):
        for count in samples:
            drawn = {"prompts_from": str(PROMPTS), "prompts": max(1, count // 4), "steps": 2 if count > 2 else 1}
            steps: list[dict[str, Any]] = [{"remove_blocks": {"layout": layout}}] if layout else []
            steps.append({"quantize": {"scheme": "w8a8", "calibration": drawn | {"guidance_scale": 7.5}}})
            name = f"w8a8_{layout or 'sd_v1'}_{count}"
            file = recipe(work, name.replace("-", "_"), steps)
            done = workbench(work, name, "run", str(file), "--out", str(work), until=lambda t: "export to ONNX" in t)
            yield f"W8A8 of {layout or 'SD-v1.5'}, {count} passes", done


def whole(work: Path, _samples: list[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The recipe without training, killed while it calibrates and while it draws."""
    steps = "steps=[{remove_blocks: {layout: bk-tiny}}, {quantize: {scheme: w8a8, calibration: {prompts_from: %s, "
    steps = (steps + "prompts: 2, steps: 2, guidance_scale: 7.5}}}]") % PROMPTS
    sets = [steps, "model=arch:sd-v1", "data=null", "evaluate.pictures=2", "evaluate.steps=1", "evaluate.samples=1"]
    sets += ["evaluate.guidance_scale=1", "rank.constraints={}"]
    words = ["run", str(RECIPE), "--out", str(work), *(part for one in sets for part in ("--set", one))]
    kills = {
        "calibrate unet: 2/": "killed while it calibrates",
        "draw 2 pictures with bk_tiny": "killed while it draws",
    }
    for mark, name in kills.items():
        yield f"recipe: {name}", workbench(work, "whole", *words, until=lambda said, mark=mark: mark in said)
    yield "recipe: to its end", workbench(work, "whole", *words)


PARTS = {"export": export, "distill": distill, "quantize": quantize, "recipe": whole}


def main() -> int:
    """Runs the parts that are asked for; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, default=Path(".workbench") / "full_size_recipe")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--samples", nargs="+", type=int, default=[2, 32, 128])
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    work = asked.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    found = {}
    for part in asked.only:
        for name, took in PARTS[part](work, asked.samples):
            found[name] = took
            load = os.getloadavg()[0]
            print(
                f"{name:36} {took['seconds']:7.0f} s {took['peak_bytes'] / 1e9:6.2f} GB  (load {load:.1f})", flush=True
            )
            if asked.json:
                asked.json.write_text(json.dumps(found, indent=1))
    return int(any(took["status"] not in (0, -signal.SIGKILL) for took in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
