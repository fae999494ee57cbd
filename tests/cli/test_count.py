"""``workbench count``: exact figures, and how it answers what can't be counted."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fixtures.command import workbench


def test_the_unet_of_stable_diffusion_is_counted_exactly(tmp_path: Path) -> None:
    done = workbench("count", "arch:sd-v1", "--json", cwd=tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    unet = json.loads(done.stdout)["components"]["unet"]
    assert unet["params"] == 859_520_964
    assert unet["macs"] == 338_610_585_600
    assert unet["uncounted"] == {} and unet["counted_from"] == "torch"
    assert sum(layer["macs"] for layer in unet["layers"]) == unet["macs"]
    assert unet["macs_with_attention"] == unet["macs"] + unet["attention_macs"]
    assert unet["inputs"]["sample"] == {"shape": [1, 4, 64, 64], "type": "float32"}


def test_the_tables_have_every_layer_and_every_component(tmp_path: Path) -> None:
    done = workbench("count", "demo", "--layers", cwd=tmp_path)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0][:4] == ["layer", "kind", "calls", "params"]
    assert ["conv_in", "Conv2d", "1", "2,368", "589,824"] in [row[:5] for row in rows]
    assert [row[0] for row in rows[-5:-1]] == ["component", "demo.text_encoder", "demo.unet", "demo.vae_decoder"]
    assert rows[-3][1] == "14,987,812"


def test_a_source_that_can_not_be_counted_ends_with_2_and_one_message(tmp_path: Path) -> None:
    done = workbench("count", "arch:sd-v7", cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: architecture 'sd-v7' is not known; did you mean sd-v")
    assert "Traceback" not in done.stderr
