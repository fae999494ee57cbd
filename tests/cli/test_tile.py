"""The verb: its table, its JSON, its errors, and the file that it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from workbench.cli.main import app
from workbench.tile.model import ASSUMPTIONS


def invoke(tmp_path: Path, *words: str):
    return CliRunner().invoke(app, ["tile", *words, "--store", str(tmp_path / "store")])


def model(folder: Path, rows: int = 64) -> Path:
    text = f"""<ir_version: 8, opset_import: ["" : 18]>
        g (float[1, 2, {rows}, 8] x) => (float[1, 2, {rows}, 8] y) {{
          q = Neg(x)
          kt = Transpose <perm = [0, 1, 3, 2]> (x)
          s = MatMul(q, kt)
          p = Softmax <axis = -1> (s)
          y = MatMul(p, q)
        }}"""
    onnx.save(onnx.parser.parse_model(text), folder / "model.onnx")
    return folder / "model.onnx"


def test_sd_v1_stands_beside_the_paper_s_table_and_says_that_it_is_modelled(tmp_path: Path) -> None:
    done = invoke(tmp_path, "arch:sd-v1", "--sram", "6MB")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("sd-v1.unet, modelled on 6 MB of scratchpad at fp16: ")
    (row,) = [line.split() for line in lines if line.startswith("down_blocks.0.attentions.0") and ".attn1 " in line][:1]
    assert row[1:11] == ["5", "self", "8", "4096", "4096", "40", "33.6", "268", "tiles", "13"]
    (softmax,) = [line.split()[2:] for line in lines if line.startswith("vector softmax")]
    assert softmax[-2:] == ["11.0", "11.6"] and len(softmax) == 5
    (total,) = [line.split() for line in lines if line.startswith("sum")]
    assert total[-2:] == ["99.9", "26.6"]
    assert all(f"- {assumption}" in lines for assumption in ASSUMPTIONS)


def test_json_holds_the_same_and_every_assumption(tmp_path: Path) -> None:
    done = invoke(tmp_path, "arch:bk-tiny", "--json", "--dtype", "fp32")
    told = json.loads(done.stdout)
    assert (told["schema_version"], told["kind"], told["dtype"]) == (1, "modelled", "fp32")
    assert told["assumptions"] == list(ASSUMPTIONS) and len(told["attentions"]) == 18
    first = told["attentions"][0]
    assert (first["score_bytes"], first["bytes_per_head"]["s"]) == (2 * 268_435_456, 2 * 33_554_432)
    assert first["tiles_per_head_for_scores_alone"] == 23
    assert told["largest"]["paper"] is None, "the paper's scores have two bytes"
    assert told["total"]["untiled"]["bytes"] == sum(a["ways"]["untiled"]["bytes"] for a in told["attentions"])
    assert told["written"] is None and told["machine"]["rates"] == "fitted to EdgeFusion's Table 6"


def test_smaller_latents_need_fewer_tiles(tmp_path: Path) -> None:
    told = json.loads(invoke(tmp_path, "arch:bk-tiny", "--json", "--side", "32").stdout)
    assert told["attentions"][0]["queries"] == 1024 and told["attentions"][0]["fits"] == "one head"


def test_a_tiled_file_is_written_from_an_onnx_file_and_computes_the_same(tmp_path: Path) -> None:
    from workbench.runtimes.onnxruntime.session import session

    source, out = model(tmp_path), tmp_path / "tiled.onnx"
    done = invoke(tmp_path, str(source), "--tiles", "4", "--write", str(out), "--json")
    assert done.exit_code == 0, done.output
    written = json.loads(done.stdout)["written"]
    assert written["file"] == str(out) and [cut["tiles"] for cut in written["cut"]] == [4]
    feed = {"x": np.random.default_rng(0).standard_normal((1, 2, 64, 8), np.float32)}
    want, got = (session(path, 1).run(None, feed)[0] for path in (source, out))
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def test_the_tiles_of_the_table_are_those_of_the_file(tmp_path: Path) -> None:
    source, out = str(model(tmp_path, 10)), str(tmp_path / "tiled.onnx")
    told = json.loads(invoke(tmp_path, source, "--tiles", "7", "--write", out, "--json").stdout)
    (one,), (written,) = told["attentions"], told["written"]["cut"]
    ops = [node.op_type for node in onnx.load(out).graph.node]
    assert ops.count("Softmax") == written["tiles"] == one["cut"]["tiles"] == one["ways"]["tiled"]["tiles"] == 5
    assert written["by_head"] is one["cut"]["by_head"] is one["ways"]["tiled"]["by_head"] is False
    assert told["tiles_asked"] == 7 and "5 tiles of 2 rows, not 7" in told["fewer_tiles"]
    text = invoke(tmp_path, source, "--tiles", "7", "--write", out).stdout
    assert "5 tiles of 2 rows, not 7: 10 rows need no more of that size" in text
    assert "  1 of 10 rows × 10 keys: all heads at once, 5 tiles of 2 rows" in text.splitlines()
    assert "tiles of all heads" in text.splitlines()[2] and "tiles/head" not in text


def test_with_a_scratchpad_alone_the_file_has_the_model_s_plan_head_by_head(tmp_path: Path) -> None:
    source, out = str(model(tmp_path, 64)), str(tmp_path / "tiled.onnx")
    words = (source, "--sram", "8kB", "--bandwidth", "1MB/s", "--write", out, "--json")
    told = json.loads(invoke(tmp_path, *words).stdout)
    (one,), (written,) = told["attentions"], told["written"]["cut"]
    ops = [node.op_type for node in onnx.load(out).graph.node]
    assert written["tiles"] == one["cut"]["tiles"] == one["tiles_per_head"] == one["ways"]["tiled"]["tiles"] > 1
    assert written["by_head"] is one["ways"]["tiled"]["by_head"] is True
    assert ops.count("Softmax") == 2 * written["tiles"]


def test_what_the_model_leaves_whole_is_not_written_in_tiles(tmp_path: Path) -> None:
    source, out = str(model(tmp_path, 64)), tmp_path / "tiled.onnx"
    told = json.loads(invoke(tmp_path, source, "--sram", "8kB", "--bandwidth", "1000GB/s", "--json").stdout)
    assert told["attentions"][0]["cut"] is None, "hand-overs cost more than the traffic"
    done = invoke(tmp_path, source, "--sram", "8kB", "--bandwidth", "1000GB/s", "--write", str(out))
    assert done.exit_code == 2 and "none of its 1 attentions is cut" in done.stderr and not out.exists()


def test_tiles_that_do_not_fit_are_told_with_the_number_that_would(tmp_path: Path) -> None:
    lines = invoke(tmp_path, "arch:sd-v1", "--tiles", "13").stdout.splitlines()
    (told,) = [line for line in lines if line.startswith("down_blocks.0") and "don't fit" in line]
    assert "its 13 tiles of all heads don't fit, 820 tiles would; head by head, without --tiles, 13 a head" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["arch:sd-v1", "--sram", "6M"], "--sram: found '6M'; needs bytes"),
        (["arch:sd-v1", "--sram", "1e999"], "--sram: found '1e999'; needs bytes"),
        (["arch:sd-v1", "--dtype", "fp61"], "--dtype fp61: no such type; did you mean fp16?"),
        (["arch:sd-v1", "--bandwidth", "fast"], "--bandwidth: found 'fast'; needs a rate a second"),
        (["arch:sd-v9"], "architecture 'sd-v9' is not known; did you mean sd-v"),
        (["arch:sd-v1", "--write", "tiled.bin"], "--write tiled.bin: needs the name of an ONNX file"),
        (["model.onnx", "--side", "8"], "--side 8: model.onnx is no pipeline"),
        (["flat.onnx"], "flat.onnx: has no attention that can be modelled"),
    ],
)
def test_bad_input_is_one_error_and_exit_2(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path)
    flat = "g (float[2, 2] x) => (float[2, 2] y) { y = Neg(x) }"
    onnx.save(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 18]> {flat}'), tmp_path / "flat.onnx")
    done = invoke(tmp_path, *words)
    assert done.exit_code == 2 and done.stderr.startswith(f"error: {told}"), done.output
    assert "Traceback" not in done.output
