"""Layers under the ceilings: bounds, shares and what has none, computed by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from workbench.measure.layers import COLUMNS as MEASURED
from workbench.profile.roofline import COLUMNS, bandwidth, roofline, summary

FOUND = {
    "runtime": "onnxruntime",
    "fp32": {"best": 100.0},
    "int8": {"best": 400.0},
    "memory": [{"bytes": 1_000_000, "best": 50.0}, {"bytes": 100_000_000, "best": 10.0}],
}


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    whole = {"component": "unet", "calls": 1, "scheme": "fp32", "attention_macs": 0, "weight_bytes": 0}
    return pd.DataFrame([whole | row for row in rows]).reindex(columns=list(MEASURED))


CONV = {"layer": "conv", "op": "Conv", "macs": 400_000_000, "weight_bytes": 60_000, "activation_bytes": 20_000}
CONV |= {"latency_ms": 8.0}


def only(found: dict[str, Any] | pd.DataFrame) -> dict[str, Any]:
    return found.to_dict("records")[0]


def test_a_float_layer_with_many_macs_per_byte_is_bound_by_float_products():
    row = only(roofline(table(CONV), FOUND))
    assert row == {
        "component": "unet", "layer": "conv", "products": 400e6, "bytes_moved": 100_000.0, "intensity": 4000.0,
        "bound": "fp32", "bound_ms": pytest.approx(4.0), "bound_share": pytest.approx(0.5),
    }  # fmt: skip


def test_an_integer_kernel_is_held_against_the_int8_ceiling_and_a_stored_one_against_float():
    assert only(roofline(table(CONV | {"op": "QLinearConv", "scheme": "w8a8"}), FOUND))["bound"] == "int8"
    assert only(roofline(table(CONV | {"op": "Conv", "scheme": "w8a8"}), FOUND))["bound"] == "fp32"


def test_openvino_tells_integers_by_the_scheme():
    row = CONV | {"op": "Convolution", "scheme": "w8a8"}
    assert only(roofline(table(row), FOUND | {"runtime": "openvino"}))["bound"] == "int8"
    assert only(roofline(table(row | {"scheme": "fp32"}), FOUND | {"runtime": "openvino"}))["bound"] == "fp32"


def test_products_of_attention_stay_in_float_beside_integer_ones():
    row = only(roofline(table(CONV | {"op": "QGemm", "attention_macs": 200_000_000}), FOUND))
    assert (row["bound"], row["bound_ms"]) == ("fp32", pytest.approx(1.0 + 2.0))


def test_a_layer_without_products_is_bound_by_memory_at_the_rate_of_its_size():
    small = {"layer": "norm", "op": "LayerNormalization", "macs": 0, "activation_bytes": 250_000, "latency_ms": 0.1}
    row = only(roofline(table(small), FOUND))
    assert (row["intensity"], row["bound"], row["bound_ms"]) == (0.0, "memory", pytest.approx(0.01))
    large = only(roofline(table(small | {"activation_bytes": 25_000_000}), FOUND))
    assert large["bound_ms"] == pytest.approx(5.0)
    split = only(roofline(table(small | {"activation_bytes": 25_000_000, "calls": 100}), FOUND))
    assert split["bound_ms"] == pytest.approx(1.0)  # a hundred kernels of 0.5 MB each


def test_what_was_not_counted_or_not_run_has_no_bound():
    rows = table(
        {"layer": "(runtime)", "op": "", "latency_ms": 1.0},
        {"layer": "(unmapped)", "op": "", "latency_ms": 0.2, "activation_bytes": 5},
        {"layer": "fused", "op": "(fused)", "latency_ms": 0.0, "macs": 10, "activation_bytes": 5},
        {"layer": "unknown", "op": "Custom", "latency_ms": 0.3},
    )
    found = roofline(rows, FOUND)
    assert tuple(found.columns) == COLUMNS
    assert found["bound"].tolist() == [""] * 4 and found["bound_share"].isna().all()


def test_without_an_int8_ceiling_floats_are_the_measure():
    assert only(roofline(table(CONV | {"op": "QGemm"}), FOUND | {"int8": None}))["bound"] == "fp32"


def test_the_summary_adds_up_what_has_a_bound():
    norm = {"layer": "norm", "op": "Add", "macs": 0, "activation_bytes": 250_000, "latency_ms": 2.0}
    rows = table(CONV, norm, {"layer": "(runtime)", "op": "", "latency_ms": 9.0})
    found = summary(rows, roofline(rows, FOUND))["unet"]
    assert (found["measured_ms"], found["bound_ms"]) == (10.0, pytest.approx(4.01))
    assert found["share"] == pytest.approx(0.401)
    assert {k: (v["measured_ms"], v["layers"]) for k, v in found["by_bound"].items()} == {
        "fp32": (8.0, 1), "memory": (2.0, 1),
    }  # fmt: skip


def test_bandwidth_is_the_best_seen_for_as_many_bytes_or_more():
    found = {"memory": [{"bytes": 100, "best": 50.0}, {"bytes": 200, "best": 80.0}, {"bytes": 400, "best": 20.0}]}
    assert [bandwidth(found, moved) for moved in (1, 100, 150, 201, 400, 9999)] == [80.0, 80.0, 80.0, 20.0, 20.0, 20.0]
