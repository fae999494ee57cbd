"""An attention in tiles on the devices: the same output as un-tiled on the host, in less memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from workbench.export.load import session
from workbench.tile.onnx_tiling import tile_file

X86, ARM = "adb:127.0.0.1:15600", "adb:127.0.0.1:15602"
HEADS, ROWS, TILES = 8, 1024, 8
SCORES = HEADS * ROWS * ROWS * 4
"""Bytes: 33.6 MB."""
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A self-attention that ends its graph, and the same in tiles."""
    shape = f"float[1, {HEADS}, {ROWS}, 16]"
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 18]>
        g ({shape} x) => ({shape} y) <float by = {{0.25}}> {{
          q = Neg(x)
          k = Sin(x)
          v = Cos(x)
          kt = Transpose <perm = [0, 1, 3, 2]> (k)
          s = MatMul(q, kt)
          t = Mul(s, by)
          p = Softmax <axis = -1> (t)
          y = MatMul(p, v)
        }}"""
    )
    for i, node in enumerate(model.graph.node):
        node.name = f"attn/{node.op_type}#{i}"
    folder = tmp_path_factory.mktemp("tiled")
    found = {"whole": folder / "whole.onnx", "tiled": folder / "tiled.onnx"}
    onnx.save(model, found["whole"])
    tile_file(found["whole"], found["tiled"], tiles=TILES)
    return found


@pytest.fixture(scope="module")
def profiles(up, files, tmp_path_factory) -> dict[tuple[str, str], dict]:
    """What the devices say of both files, by name and target."""
    folder = tmp_path_factory.mktemp("profiles")
    for device in up.devices.values():
        up.heal(device)
    env = {**os.environ, **up.env, "WORKBENCH_STORE": str(folder / "store"), "PYTHONPATH": str(ROOT)}
    few = ("--iterations", "3", "--min-seconds", "0", "--warmup", "1", "--threads", "1")
    found = {}
    for name, file in files.items():
        words = ("profile", str(file), "--target", "adb", *few, "--json", "--out", str(folder / name))
        command = [sys.executable, "-m", "workbench.cli.main", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        found |= {(name, profile["target"]): profile for profile in json.loads(done.stdout)["profiles"]}
    return found


def test_a_tiled_attention_gives_the_same_on_host_and_devices(files, profiles):
    feed = {"x": np.random.default_rng(0).standard_normal((1, HEADS, ROWS, 16), np.float32)}
    whole, tiled = (session(path, 1).run(["y"], feed)[0] for path in files.values())
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)
    for target in (X86, ARM):
        for name in files:
            said = profiles[name, target]["device"]["components"]["model"]["agreement"]
            assert said["agrees"] and said["max_abs_error"] <= 1e-5, (name, target, said)


@pytest.mark.parametrize("target", [X86, ARM])
def test_its_process_on_the_device_takes_the_memory_of_a_tile_s_scores(profiles, target):
    whole, tiled = (profiles[name, target] for name in ("whole", "tiled"))
    assert whole["peak_rss_bytes"] - whole["runtime_rss_bytes"] >= SCORES, "all scores are there at one time"
    # a tile's scores are an eighth of them: what is saved is most of the scores
    assert whole["peak_rss_bytes"] - tiled["peak_rss_bytes"] >= SCORES / 2
