"""Runtimes are found by their folders: what each says of itself, and one more that is added as a folder alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests import ROOT
from workbench.errors import InputError
from workbench.measure.kinds import CONVERSION, FLOAT, INT8, MOVE, REST
from workbench.runtimes.base import RUNTIMES, code_of, described, runtime_for_suffix
from workbench.runtimes.kernels import kernels_of
from workbench.runtimes.load import file_size

ADD = """
import json, sys
from typer.testing import CliRunner
from workbench.cli.main import app
from workbench.recipe.schema import Recipe

def said(*words):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout

asked = {"version": 1, "name": "toy", "model": "demo", "profile": {"runtimes": ["reference", "onnxruntime"]}}
measured = ["--iterations", "3", "--min-seconds", "0", "--warmup", "1", "--threads", "1", "--json"]
print(json.dumps({
    "help": said("profile", "--help"),
    "schema": json.loads(said("schema"))["$defs"]["ProfileConfig"]["properties"]["runtimes"]["items"]["enum"],
    "recipe": Recipe.model_validate(asked).profile.runtimes,
    "profile": json.loads(said("profile", sys.argv[1], "--runtime", "reference", *measured, "--out", sys.argv[2])),
}))
"""


def test_the_runtimes_stand_in_their_order_and_have_places_of_their_own():
    assert RUNTIMES == ("onnxruntime", "openvino", "torch", "torch-compile")
    assert [described(name).target for name in RUNTIMES] == [
        "host", "host-openvino", "host-torch", "host-torch-compile",
    ]  # fmt: skip
    assert code_of("torch-compile") == "workbench.runtimes.torch_compile"


def test_describing_a_runtime_imports_no_library():
    heavy = ("torch", "onnxruntime", "openvino", "onnx", "numpy", "pandas")
    told = "import sys; from workbench.runtimes.base import all_described; all_described(); "
    told += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_nearly_one_is_told_so():
    with pytest.raises(InputError, match="did you mean openvino"):
        described("openvin")


def test_files_are_opened_by_the_runtime_whose_format_they_are():
    assert runtime_for_suffix(Path("unet/model.onnx")).name == "onnxruntime"
    assert runtime_for_suffix(Path("unet/model.xml")).name == "openvino"
    with pytest.raises(InputError, match=r"known: \.onnx, \.xml"):
        runtime_for_suffix(Path("unet/model.tflite"))


def test_size_is_that_of_all_files_that_are_deployed(tmp_path):
    weight = helper.make_tensor("w", TensorProto.FLOAT, [64, 64], bytes(4 * 64 * 64), raw=True)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 64]) for n in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", value[:1], value[1:], [weight]))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    assert file_size(path) == path.stat().st_size + 4 * 64 * 64


def test_operators_are_sorted_by_what_they_do_on_their_runtime():
    onnx_runtime, openvino = kernels_of("onnxruntime"), kernels_of("openvino")
    ops = ("QGemm", "MatMulIntegerToFloat", "FusedMatMul", "Cast", "ReorderInput", "Gelu")
    assert [onnx_runtime.kind(op) for op in ops] == [INT8, INT8, FLOAT, CONVERSION, MOVE, REST]
    assert openvino.kind("FullyConnected", "w8a8") == INT8 and openvino.kind("FullyConnected") == FLOAT
    assert openvino.kind("Softmax", "w8a8") == REST
    assert onnx_runtime.unwrapped("SkipLayerNormalization") == "LayerNormalization"


def test_a_profile_from_elsewhere_is_read_by_all_names_together():
    kernels = kernels_of("somebody's own")
    assert [kernels.kind(op) for op in ("QLinearConv", "FullyConnected", "Linear")] == [INT8, FLOAT, FLOAT]


@pytest.mark.long
def test_a_runtime_is_added_as_one_folder(tmp_path: Path):
    packages = tmp_path / "packages"
    shutil.copytree(ROOT / "workbench", packages / "workbench", ignore=shutil.ignore_patterns("__pycache__", "demo"))
    shutil.copytree(ROOT / "tests/fixtures/runtimes/reference", packages / "workbench/runtimes/reference")
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 8]) for name in "xy"]
    weight = helper.make_tensor("fc.weight", TensorProto.FLOAT, [8, 8], [0.125] * 64)
    node = helper.make_node("MatMul", ["x", "fc.weight"], ["y"], name="fc/MatMul")
    file, out = tmp_path / "tiny.onnx", tmp_path / "out"
    onnx.save(helper.make_model(helper.make_graph([node], "tiny", value[:1], value[1:], [weight])), file)
    done = subprocess.run(
        [sys.executable, "-c", ADD, str(file), str(out)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(packages), "WORKBENCH_STORE": str(tmp_path / "store")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "reference" in found["help"] and found["schema"] == [*RUNTIMES, "reference"]
    assert found["recipe"] == ["reference", "onnxruntime"]
    (summary,) = found["profile"]["profiles"]
    assert (summary["target"], summary["runtime"]) == ("host-reference", "reference")
    assert summary["macs"] == 4 * 8 * 8 and summary["components"]["model"]["latency_ms"]["n"] >= 3
    assert summary["peak_rss_bytes"] and (out / "tiny@host-reference.csv").is_file()
