"""Why a candidate is as fast as it is: facts from two profiles, by hand and from the real U-Net in float and int8."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench.comparing.changes import block_changes, layer_changes
from workbench.comparing.explain import Why, explain
from workbench.measure.kinds import CONVERSION, INT8, MOVE

FLOAT_OPS = {"Conv": 6.0, "MatMul": 2.0, "Reshape": 0.5, "Softmax": 1.5}
INT8_OPS = {"QLinearConv": 2.0, "MatMul": 2.0, "QuantizeLinear": 1.0, "DequantizeLinear": 0.5, "Reshape": 0.5}
INT8_OPS |= {"Softmax": 1.5}


def profile(name: str, ms: float, ops: dict[str, float], **component: Any) -> dict[str, Any]:
    latency = {"median": ms, "iqr": 0.2, "n": 40}
    whole = {"latency_ms": latency, "macs": 1000, "params": 100, "op_ms": ops, "kernel_ms": sum(ops.values())}
    return {
        "candidate": name, "target": "host", "runtime": "onnxruntime", "components": {"unet": whole | component},
    }  # fmt: skip


def events(ops: dict[str, float], each: int, view_us: float = 5.0) -> list[list[Any]]:
    """``each`` kernels of every operator; those that do nothing take ``view_us``."""
    return [
        [f"{op}{i}", "layer", op, 0.0, view_us if op == "Reshape" else ms * 1e3 / each]
        for op, ms in ops.items()
        for i in range(each)
    ]


INTEGER = {"quantized_macs_share": 0.9, "quantized_macs_share_with_attention": 0.8}
INTEGER |= {"stored_quantized_macs_share": 0.9}


def quantized(ms: float = 8.0, **component: Any) -> Why:
    before = profile("float", 10.0, FLOAT_OPS, events=events(FLOAT_OPS, 10))
    after = profile("w8a8", ms, INT8_OPS, events=events(INT8_OPS, 10), **(INTEGER | component))
    return explain(before, after, None, None)[0]


def test_the_profilers_own_time_is_taken_off_each_kernel():
    why = quantized()
    assert why.after.profiler_us == 5.0
    conversions = why.after.work[CONVERSION]
    assert (conversions.ms, conversions.kernels) == (1.5, 20)
    assert conversions.net_ms == pytest.approx(1.5 - 20 * 0.005)
    assert why.after.work[MOVE].net_ms == pytest.approx(0.45)
    assert why.products_ms == (pytest.approx(8.0 - 0.1), pytest.approx(4.0 - 0.1))


def test_what_conversions_cost_and_what_would_be_without_them():
    why = quantized()
    assert why.conversions_ms == pytest.approx(1.4)
    whole = 7.5 - 60 * 0.005
    assert why.speed_without(why.conversions_ms) == pytest.approx(10.0 / (8.0 * (1 - 1.4 / whole)))
    assert why.speed_limit == pytest.approx(9.8 / (9.8 - 7.9))


def test_without_single_kernels_the_times_stay_as_profiled():
    before, after = profile("float", 10.0, FLOAT_OPS), profile("w8a8", 8.0, INT8_OPS, **INTEGER)
    (why,) = explain(before, after, None, None)
    assert why.after.profiler_us is None and why.after.work[CONVERSION].net_ms is None
    assert why.conversions_ms == 1.5 and why.told_by_kernels is None


def test_int8_that_is_only_stored_is_told_from_int8_that_runs():
    assert quantized(quantized_macs_share=0.02).stored_only
    assert not quantized().stored_only
    assert not explain(profile("a", 1.0, FLOAT_OPS), profile("b", 1.0, FLOAT_OPS), None, None)[0].stored_only


def test_a_difference_within_the_spread_is_not_settled():
    assert quantized(ms=8.0).settled and not quantized(ms=9.85).settled
    samples = {"median": 9.9, "iqr": 0.01, "n": 4, "samples": [7.0, 9.9, 9.9, 12.0]}
    assert not quantized(latency_ms=samples).settled


def test_kernels_that_contradict_the_clock_are_noticed():
    assert quantized(ms=8.0).told_by_kernels is True  # kernels: 9.8 to 7.2 ms
    assert quantized(ms=16.0).told_by_kernels is False


def test_a_component_that_both_share_is_not_explained():
    text = {"latency_ms": {"median": 1.0}, "shared_with": None}
    before, after = profile("base", 10.0, FLOAT_OPS), profile("w8a8", 8.0, INT8_OPS)
    before["components"]["text_encoder"] = text
    after["components"]["text_encoder"] = text | {"shared_with": "base.text_encoder"}
    assert [why.component for why in explain(before, after, None, None)] == ["unet"]


def row(layer: str, ms: float, **more: Any) -> dict[str, Any]:
    whole = {"component": "unet", "layer": layer, "op": "Conv", "scheme": "fp32", "calls": 1, "latency_ms": ms}
    return whole | {"latency_iqr_ms": 0.01, "macs": 100, "params": 10, "fused_into": None} | more


def test_only_layers_that_are_clearly_slower_are_listed_worst_first():
    before = [row("a", 1.0), row("b", 1.0), row("c", 1.0), row("d", 1.0)]
    after = [row("a", 1.3), row("b", 1.6), row("c", 0.5), row("d", 1.3, latency_iqr_ms=0.7)]
    found = layer_changes(before, after, {}, {})
    assert [(c.layer, round(c.ratio or 0, 2)) for c in found] == [("b", 1.6), ("c", 0.5), ("a", 1.3)]


def test_samples_decide_where_they_were_kept():
    before, after = [row("a", 1.0)], [row("a", 1.3)]
    wide = {"a": [0.2, 0.8, 1.8, 2.0]}
    assert layer_changes(before, after, {"a": [1.0, 1.0, 1.0, 1.0]}, wide) == []
    (found,) = layer_changes(before, after, {"a": [1.0, 1.0]}, {"a": [1.4, 1.4]})
    assert (found.before_ms, found.after_ms) == (1.0, 1.4)


def test_a_layer_that_only_has_more_kernels_is_not_called_slower():
    before, after = [row("a", 1.0, calls=1)], [row("a", 1.3, calls=61)]
    assert [c.layer for c in layer_changes(before, after, {}, {})] == ["a"]
    assert layer_changes(before, after, {}, {}, profiler_ms=0.005) == []


def test_layers_fused_in_one_of_the_two_are_compared_together():
    before = [row("conv", 1.0), row("act", 0.5, macs=0, params=0)]
    after = [row("conv", 1.2), row("act", 0.0, macs=0, params=0, fused_into="conv")]
    (found,) = layer_changes(before, after, {}, {})
    assert (found.layer, found.fused, found.before_ms, found.after_ms) == ("conv", ("act",), 1.5, 1.2)


def test_two_layers_of_one_name_but_other_work_are_not_compared():
    assert layer_changes([row("up.0.conv", 1.0)], [row("up.0.conv", 3.0, macs=400)], {}, {}) == []


def test_parts_of_the_tree_don_t_depend_on_numbers_that_removal_shifts():
    before = [row("down_blocks.0.conv", 1.0), row("mid_block.conv", 2.0), row("up_blocks.3.conv", 4.0)]
    after = [row("down_blocks.0.conv", 1.0), row("up_blocks.2.conv", 3.0)]
    assert [(b.name, b.before_ms, b.after_ms, b.before_macs, b.after_macs) for b in block_changes(before, after)] == [
        ("down_blocks", 1.0, 1.0, 100, 100), ("mid_block", 2.0, 0.0, 100, 0), ("up_blocks", 4.0, 3.0, 100, 100),
    ]  # fmt: skip


def test_layers_that_went_away_and_came_are_named():
    tables = [pd.DataFrame([row("a", 1.0), row("b", 1.0)]), pd.DataFrame([row("b", 1.0), row("c", 1.0)])]
    tables[0].loc[2] = row("(runtime)", 0.5)
    (why,) = explain(profile("x", 2.0, FLOAT_OPS), profile("y", 2.0, FLOAT_OPS), *tables)
    assert (why.gone, why.new, why.same_layers) == (["a"], ["c"], False)


def measured(name: str, file: Path, feed: dict[str, Any], scheme: str) -> tuple[dict[str, Any], pd.DataFrame]:
    from workbench.graphs.macs import count_graph
    from workbench.measure.layers import ordered
    from workbench.measure.network import Network
    from workbench.runtimes.onnxruntime.layers import profile_layers

    network = Network(name, "model", scheme, feed, file)
    layers, count = profile_layers(network, 1, 1, 4), count_graph(file).count
    summary = profile(
        name,
        layers.wall_ms,
        dict(layers.op_ms),
        macs=count.macs,
        params=sum(layer.params for layer in count.layers),
        quantized_macs_share=layers.integer.layers,
        quantized_macs_share_with_attention=layers.integer.with_attention,
        stored_quantized_macs_share=layers.integer.stored,
        events=[list(dataclasses.astuple(event)) for event in layers.events],
        layer_samples_ms={layer: list(times) for layer, times in layers.samples.items()},
    )
    return summary, ordered(layers.table, "unet")


def test_the_real_unet_in_int8_is_explained(exported: dict[str, Path], quantized_unet: Path, feeds: dict[str, dict]):
    before, old = measured("base", exported["unet"], feeds["unet"], "fp32")
    after, new = measured("w8a8", quantized_unet, feeds["unet"], "w8a8")
    (why,) = explain(before, after, old, new)
    assert why.same_layers and not why.stored_only
    assert why.before.work[INT8].ms == 0 and why.before.work[CONVERSION].ms == 0
    assert why.after.work[INT8].ms > 0 and why.conversions_ms > 0
    assert why.after.integer > why.after.integer_with_attention > 0.5
    for side, found in ((why.before, before), (why.after, after)):
        summary = found["components"]["unet"]
        assert sum(work.ms for work in side.work.values()) == pytest.approx(sum(summary["op_ms"].values()))
        assert sum(work.kernels for work in side.work.values()) == len(summary["events"])
        assert 0 < side.profiler_us < 50 and side.best() < sum(work.ms for work in side.work.values())
