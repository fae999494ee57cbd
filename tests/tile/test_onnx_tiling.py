"""Attention in tiles: equal numbers, the order in which tiles run, their memory, and the layer that they belong to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from workbench.errors import InputError
from workbench.graphs.names import layer_of
from workbench.measure.network import Network
from workbench.runtimes.onnxruntime.layers import profile_layers
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.onnxruntime.trace import read_passes
from workbench.tile.attentions import Attention
from workbench.tile.onnx_attentions import find, shapes_of
from workbench.tile.onnx_tiling import tile_attention, tile_file
from workbench.tile.paper import machine
from workbench.tile.plans import Split, evenly, fewer

EQUAL = 1e-5
FIRST = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"


def out(path: Path, feed: dict[str, np.ndarray]) -> np.ndarray:
    return session(path, 1).run(None, feed)[0]


def network(path: Path, feed: dict[str, np.ndarray]) -> Network:
    return Network("own", "model", "fp32", feed, path)


def attention(path: Path, rows: int, heads: int = 4, mask: bool = False, free: bool = False) -> Path:
    """q·kᵀ, scale, mask, softmax, ·v over computed tensors of [1, heads, rows, 16], as one layer ``attn``."""
    n = "rows" if free else rows
    masked = "u = Add(t, mask)" if mask else "u = Identity(t)"
    extra = f", float[1, 1, {n}, {n}] mask" if mask else ""
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 18]>
        g (float[1, {heads}, {n}, 16] x{extra}) => (float[1, {heads}, {n}, 16] y) <float by = {{0.25}}> {{
          q = Neg(x)
          k = Sin(x)
          v = Cos(x)
          kt = Transpose <perm = [0, 1, 3, 2]> (k)
          s = MatMul(q, kt)
          t = Mul(s, by)
          {masked}
          p = Softmax <axis = -1> (u)
          y = MatMul(p, v)
        }}"""
    )
    seen: Counter[str] = Counter()
    for node in model.graph.node:
        seen[node.op_type] += 1
        node.name = f"attn/{node.op_type}#{seen[node.op_type]}"
    onnx.save(model, path)
    return path


def feed(rows: int, heads: int = 4, mask: bool = False) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {"x": rng.standard_normal((1, heads, rows, 16), np.float32)}
    if mask:
        found["mask"] = np.where(rng.random((1, 1, rows, rows)) < 0.5, 0, -np.inf).astype(np.float32)
        found["mask"][..., 0] = 0  # no row without any key
    return found


@pytest.mark.parametrize("split", [Split(2), Split(7), Split(64), Split(1, by_head=True), Split(5, by_head=True)])
@pytest.mark.parametrize("mask", [False, True])
def test_tiles_compute_the_same(tmp_path: Path, split: Split, mask: bool) -> None:
    path = attention(tmp_path / "model.onnx", 64, mask=mask)
    model = ir.load(path)
    done = tile_attention(model, shapes_of(path, {}), lambda _: split)
    ir.save(model, tmp_path / "tiled.onnx")
    onnx.checker.check_model(tmp_path / "tiled.onnx", full_check=True)
    assert [cut for _, cut in done.cut] == [split] and done.uncut == () and done.left_out == {}
    ops = Counter(node.op_type for node in model.graph)
    pieces = (4 if split.by_head else 1) * len(range(0, 64, -(-64 // split.tiles)))
    assert (ops["MatMul"], ops["Softmax"], ops["Transpose"]) == (2 * pieces, pieces, 1)
    given = feed(64, mask=mask)
    np.testing.assert_allclose(out(tmp_path / "tiled.onnx", given), out(path, given), rtol=0, atol=EQUAL)


@pytest.mark.parametrize("tiles", [3, 64])
@pytest.mark.parametrize("rows", [64, 50, 200])
def test_a_file_with_an_open_number_of_rows_stays_right_for_any(tmp_path: Path, tiles: int, rows: int) -> None:
    path = attention(tmp_path / "model.onnx", 64, free=True)
    tile_file(path, tmp_path / "tiled.onnx", tiles=tiles, inputs={"x": (1, 4, 64, 16)})
    assert out(tmp_path / "tiled.onnx", feed(rows)) == pytest.approx(out(path, feed(rows)), abs=EQUAL)


def test_the_demo_s_unet_in_tiles_computes_the_same(unet, tmp_path: Path) -> None:
    path, given = unet
    want = out(path, given)
    tiled = tmp_path / "tiled.onnx"
    done = tile_file(path, tiled, tiles=4)
    # the self-attentions at full resolution; no other has more scores than one of their tiles
    assert len(done.cut) == 5 and len(done.uncut) == 27 and {split for _, split in done.cut} == {Split(4)}
    assert {a.queries for a, _ in done.cut} == {256}
    np.testing.assert_allclose(out(tiled, given), want, rtol=0, atol=EQUAL)
    # memory so slow that every tile pays
    done = tile_file(path, tiled, on=machine(100_000, bandwidth=1e6), width=4)
    assert {a.queries: split for a, split in done.cut if a.keys == a.queries}[256] == Split(9, by_head=True)
    np.testing.assert_allclose(out(tiled, given), want, rtol=0, atol=EQUAL)


def test_a_mask_and_a_guard_behind_the_softmax_are_cut_with_their_rows(text_encoder, tmp_path: Path) -> None:
    path, given = text_encoder
    model = ir.load(path)
    done = tile_attention(model, shapes_of(path, {}), lambda _: Split(3, by_head=True))
    ir.save(model, tmp_path / "tiled.onnx")
    assert len(done.cut) == 3 and done.left_out == {}
    np.testing.assert_allclose(out(tmp_path / "tiled.onnx", given), out(path, given), rtol=0, atol=EQUAL)


def test_names_still_lead_to_the_layer_and_all_kernel_time_stays_on_layers(unet, tmp_path: Path) -> None:
    path, given = unet
    tile_file(path, tmp_path / "tiled.onnx", tiles=4)
    before, after = ([node.name for node in ir.load(p).graph] for p in (path, tmp_path / "tiled.onnx"))
    assert len(set(after)) == len(after) > len(before)
    assert {layer_of(name) for name in after} == {layer_of(name) for name in before}
    of_first = Counter(name.rsplit("/")[-1].split("#")[0] for name in after if layer_of(name) == FIRST)
    assert (of_first["MatMul"], of_first["Softmax"], of_first["Slice"], of_first["Concat"]) == (8, 4, 4, 1)
    plain, tiled = (profile_layers(network(p, given), 1, 0, 1) for p in (path, tmp_path / "tiled.onnx"))
    assert tiled.unmapped_share == plain.unmapped_share == 0
    rows = {name: one.table.set_index("layer").loc[FIRST] for name, one in (("plain", plain), ("tiled", tiled))}
    assert rows["tiled"].attention_macs == rows["plain"].attention_macs > 0
    fused = {
        "plain": rows["plain"].op,
        "tiled": rows["tiled"].op,
    }  # which one takes the most time depends on the machine
    assert {op.removeprefix("Fused") for op in fused.values()} == {"MatMul"}


def test_the_runtime_finishes_a_tile_before_it_begins_the_next(tmp_path: Path) -> None:
    path = attention(tmp_path / "model.onnx", 256)
    tile_file(path, tmp_path / "tiled.onnx", tiles=8)
    running = session(tmp_path / "tiled.onnx", 1, profile_prefix=tmp_path / "trace")
    running.run(None, feed(256))
    (one,) = read_passes(Path(running.end_profiling()))
    order = [kernel.op for kernel in one.kernels if "MatMul" in kernel.op or kernel.op == "Softmax"]
    assert [kind.replace("Fused", "") for kind in order] == ["MatMul", "Softmax", "MatMul"] * 8


def test_the_memory_of_scores_falls_with_the_number_of_tiles(tmp_path: Path) -> None:
    path, given = attention(tmp_path / "model.onnx", 1024), feed(1024)
    scores = 4 * 4 * 1024 * 1024
    found = {}
    for tiles in (1, 4, 16):
        cut = path if tiles == 1 else tmp_path / f"tiled_{tiles}.onnx"
        if tiles > 1:
            tile_file(path, cut, tiles=tiles)
        layers = profile_layers(network(cut, given), 1, 0, 1)
        found[tiles] = layers.live_peak_bytes, int(layers.table.runtime_bytes.max())
    assert found[1][0] >= 2 * scores and found[1][1] >= scores
    for estimated_or_held in (0, 1):
        assert found[4][estimated_or_held] < found[1][estimated_or_held] / 2.5
        assert found[16][estimated_or_held] < found[1][estimated_or_held] / 8


def test_evenly_cuts_an_attention_no_further_than_the_largest_one_s_tile() -> None:
    large, middle, small = (Attention("a", "self", 2, rows, rows, 8, 8) for rows in (64, 32, 16))
    plan = evenly(8, [small, large, middle])
    assert (plan(large), plan(middle), plan(small)) == (Split(8), Split(2), None)
    assert evenly(1000, [large])(large) == Split(64), "no more tiles than rows"


@pytest.mark.parametrize(("tiles", "made", "rows"), [(7, 5, 2), (5, 5, 2), (4, 4, 3), (99, 10, 1)])
def test_what_is_reported_of_the_tiles_is_what_lies_in_the_file(
    tmp_path: Path, tiles: int, made: int, rows: int
) -> None:
    path = attention(tmp_path / "model.onnx", 10)
    ((cut, split),) = tile_file(path, tmp_path / "tiled.onnx", tiles=tiles).cut
    ops = Counter(node.op_type for node in ir.load(tmp_path / "tiled.onnx").graph)
    assert split.tiles == ops["Softmax"] == made and split.rows(10) == rows
    assert (fewer(tiles, [cut]) is None) == (tiles == made)


def test_why_there_are_fewer_tiles_than_asked_for() -> None:
    one = [Attention("attn", "self", 2, 10, 10, 8, 8)]
    assert fewer(7, one) == "attn: 5 tiles of 2 rows, not 7: 10 rows need no more of that size"
    assert fewer(99, one) == "attn: 10 tiles of 1 row, not 99: it has 10 rows"


@pytest.mark.parametrize("split", [Split(4), Split(2, by_head=True), Split(1, by_head=True)])
@pytest.mark.parametrize("free", [False, True])
def test_an_attention_that_ends_the_graph_leaves_its_output_as_it_was(tmp_path: Path, split: Split, free: bool) -> None:
    path = attention(tmp_path / "model.onnx", 64, free=free)
    model = ir.load(path)
    tile_attention(model, shapes_of(path, {"x": (1, 4, 64, 16)}), lambda _: split)
    ir.save(model, tmp_path / "tiled.onnx")
    before, after = (onnx.load(p).graph for p in (path, tmp_path / "tiled.onnx"))
    assert list(after.input) == list(before.input) and list(after.output) == list(before.output)
    onnx.checker.check_model(tmp_path / "tiled.onnx", full_check=True)
    (got,) = session(tmp_path / "tiled.onnx", 1).run(["y"], feed(64))
    np.testing.assert_allclose(got, out(path, feed(64)), rtol=0, atol=EQUAL)


def test_an_output_that_is_read_on_in_the_graph_keeps_its_name_for_both(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 18]>
        g (float[1, 2, 8, 4] x) => (float[1, 2, 8, 4] out, float[1, 2, 8, 4] more) {
          kt = Transpose <perm = [0, 1, 3, 2]> (x)
          s = MatMul(x, kt)
          p = Softmax <axis = -1> (s)
          v = Cos(x)
          out = MatMul(p, v)
          more = Neg(out)
        }"""
    path = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    tile_file(path, tmp_path / "tiled.onnx", tiles=4)
    given = {"x": np.random.default_rng(0).standard_normal((1, 2, 8, 4), np.float32)}
    want, got = (session(p, 1).run(["more", "out"], given) for p in (path, tmp_path / "tiled.onnx"))
    for mine, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=EQUAL)


def test_what_can_not_be_cut_is_named_with_its_reason(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 18]>
        g (float[1, 2, 8, 4] x) => (float[1, 2, 8, 8] s, float[1, 2, 8, 4] y) {
          q = Neg(x)
          kt = Transpose <perm = [0, 1, 3, 2]> (x)
          s = MatMul(q, kt)
          p = Softmax <axis = -1> (s)
          y = MatMul(p, q)
        }"""
    path = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(text.replace("=> (float[1, 2, 8, 8] s, ", "=> (")), path)
    assert len(find(ir.load(path), shapes_of(path, {})).regions) == 1
    onnx.save(onnx.parser.parse_model(text), path)
    model = ir.load(path)
    found = find(model, shapes_of(path, {}))
    assert found.regions == () and list(found.left_out.values()) == [
        "its scores can't be cut: they are an output of the graph"
    ]
    with pytest.raises(InputError, match=r"none of its 0 attentions is cut .*an output of the graph"):
        tile_file(path, tmp_path / "tiled.onnx", tiles=2)
    assert not (tmp_path / "tiled.onnx").exists()


def test_writing_over_the_source_or_cutting_nothing_is_refused(tmp_path: Path) -> None:
    path = attention(tmp_path / "model.onnx", 64)
    before = path.read_bytes()
    with pytest.raises(InputError, match="is the source itself"):
        tile_file(path, path, tiles=2)
    with pytest.raises(InputError, match=r"none of its 1 attentions is cut into tiles\n  hint: with --tiles 2 or more"):
        tile_file(path, tmp_path / "tiled.onnx", on=machine(10**9))
    assert path.read_bytes() == before
