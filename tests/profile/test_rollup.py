"""Layers rolled up: nothing is lost or counted twice, and spreads are those of the sums."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from workbench.errors import InputError
from workbench.measure.layers import COLUMNS
from workbench.profile.rollup import rollup, samples_of

ROWS = [
    ("unet", "down.0.conv1", "Conv", "w8a8", 4.0, 100, 10),
    ("unet", "down.0.conv2", "Conv", "fp32", 2.0, 200, 30),
    ("unet", "down.1.norm", "LayerNormalization", "fp32", 1.0, 0, 20),
    ("unet", "conv_out", "Conv", "fp32", 0.5, 50, 5),
    ("unet", "(unmapped)", "", "", 0.25, 0, None),
    ("unet", "(runtime)", "", "", 0.25, None, None),
    ("text_encoder", "down.0", "Gemm", "fp32", 8.0, 400, 50),
]
SAMPLES = {
    "unet": {"down.0.conv1": [1, 5, 4], "down.0.conv2": [9, 1, 2], "down.1.norm": [1, 1, 1], "conv_out": [1, 1, 1]},
    "text_encoder": {"down.0": [8, 8, 8, 8]},
}


@pytest.fixture
def table():
    names = ["component", "layer", "op", "scheme", "latency_ms", "macs", "peak_bytes"]
    return pd.DataFrame(ROWS, columns=names).reindex(columns=list(COLUMNS))


def test_the_module_tree_is_cut_at_the_depth(table):
    found = rollup(table, "module", depth=2).set_index(["component", "module"])
    assert list(found.index) == [
        ("text_encoder", "down.0"), ("unet", "down.0"), ("unet", "down.1"), ("unet", "conv_out"),
        ("unet", "(unmapped)"), ("unet", "(runtime)"),
    ]  # fmt: skip
    row = found.loc[("unet", "down.0")]
    assert (row["layers"], row["latency_ms"], row["macs"], row["peak_bytes"]) == (2, 6.0, 300, 30)
    assert pd.isna(row["latency_iqr_ms"]) and pd.isna(row["params"])  # not known is not zero
    whole = rollup(table, "module", depth=1).set_index(["component", "module"])["latency_ms"]
    assert whole[("unet", "down")] == 7.0 and whole[("unet", "(runtime)")] == 0.25


@pytest.mark.parametrize("by", ["module", "op", "scheme", "component"])
def test_every_layer_is_in_one_group(by, table):
    found = rollup(table, by)
    assert found["layers"].sum() == len(ROWS)
    assert found["latency_ms"].sum() == table["latency_ms"].sum() and found["macs"].sum() == table["macs"].sum()
    assert found["share"].sum() == pytest.approx(1)


def test_with_samples_the_spread_is_that_of_the_sum(table):
    found = rollup(table, "module", depth=2, samples=SAMPLES).set_index(["component", "module"])
    row = found.loc[("unet", "down.0")]  # passes of 10, 6 and 6 ms; the medians of its layers would give 6
    assert row["latency_ms"] == 6.0 and row["latency_iqr_ms"] == pytest.approx(2.0)
    assert found.loc[("unet", "(runtime)"), "latency_ms"] == 0.25  # no samples: as in the table
    assert rollup(table, "component", samples={}).equals(rollup(table, "component"))


def test_samples_are_read_beside_the_table(tmp_path):
    summary = {"components": {"unet": {"layer_samples_ms": SAMPLES["unet"]}, "vae_decoder": {}}}
    (tmp_path / "a@host.json").write_text(json.dumps(summary))
    assert samples_of(tmp_path / "a@host.csv") == {"unet": SAMPLES["unet"], "vae_decoder": {}}


def test_a_tree_has_no_depth_zero(table):
    with pytest.raises(InputError, match="depth 0"):
        rollup(table, "module", depth=0)
