"""OpenVINO as a session: the same answers as ONNX Runtime's, the same costs, one clear error, and nothing sent."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from workbench.errors import InputError, RunError
from workbench.graphs.costs import node_costs
from workbench.measure.sqnr import sqnr_db
from workbench.runtimes.load import runner
from workbench.runtimes.onnxruntime.session import session
from workbench.runtimes.openvino import session as openvino_session
from workbench.runtimes.openvino.format import costs as openvino_costs
from workbench.runtimes.openvino.session import OpenVinoSession, openvino_files


@pytest.fixture(scope="module")
def written(exports, tmp_path_factory):
    """The tiny U-Net in OpenVINO's own format."""
    import openvino as ov

    path = tmp_path_factory.mktemp("openvino") / "model.xml"
    ov.save_model(ov.Core().read_model(exports["unet"][0]), path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize("component", ["text_encoder", "unet", "vae_decoder"])
def test_it_answers_as_onnx_runtime_does_in_float32(component, exports, tiny):
    path, feed = exports[component][0], tiny.spec(component).seeded()
    theirs, own = session(path, 1), OpenVinoSession(path, 1)
    for ports in ("get_inputs", "get_outputs"):
        found = [[(p.name, p.shape, p.type) for p in getattr(run, ports)()] for run in (theirs, own)]
        assert found[0] == found[1]
    assert sqnr_db(theirs.run(None, feed)[0], own.run(None, feed)[0]) > 90  # in bfloat16 it would be 40


def test_the_suffix_chooses_the_runtime_and_both_formats_agree(exports, written, tiny):
    feed = tiny.spec("unet").seeded()
    assert isinstance(runner(written, 1), OpenVinoSession)
    assert not isinstance(runner(exports["unet"][0], 1), OpenVinoSession)
    first, second = (runner(path, 1).run(None, feed)[0] for path in (written, exports["unet"][0]))
    assert sqnr_db(first, second) > 90


def test_results_stay_when_the_session_runs_again(written, tiny):
    run = OpenVinoSession(written, 1)
    first = run.run(None, tiny.spec("unet").seeded(0))[0]
    kept = first.copy()
    run.run(None, tiny.spec("unet").seeded(1))
    assert np.array_equal(first, kept)


def test_inputs_that_do_not_fit_are_one_sentence(written, tiny):
    run, feed = OpenVinoSession(written, 1), tiny.spec("unet").seeded()
    with pytest.raises(RunError, match=r"model\.xml: OpenVINO can't run it: no input timestep$"):
        run.run(None, {name: value for name, value in feed.items() if name != "timestep"})
    with pytest.raises(RunError, match=r"can't run it: .*\[1,4,8,8\]") as caught:
        run.run(None, feed | {"sample": np.zeros((1, 4, 4, 4), np.float32)})
    assert "\n" not in caught.value.message
    with pytest.raises(RunError, match="guidance"):
        run.run(None, feed | {"guidance": np.zeros(1, np.float32)})


def test_open_sides_are_fixed_by_the_inputs_given(tmp_path):
    kinds = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", kinds[:1], kinds[1:])
    path = tmp_path / "open.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    assert OpenVinoSession(path, 1).get_inputs()[0].shape == [1, None]
    fixed = OpenVinoSession(path, 1, {"x": (1, 3)})
    assert fixed.get_inputs()[0].shape == fixed.get_outputs()[0].shape == [1, 3]
    assert fixed.run(["y"], {"x": np.float32([[-1, 0, 2]])})[0].tolist() == [[0, 0, 2]]


def test_a_file_that_can_not_be_loaded_is_one_sentence(tmp_path):
    foreign = helper.make_node("Foo", ["x"], ["y"], domain="my.own")
    kinds = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([foreign], "g", kinds[:1], kinds[1:])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("my.own", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "custom.onnx")
    (tmp_path / "broken.xml").write_text("<net")
    for name, said in {"custom.onnx": "my.own.Foo", "broken.xml": "", "absent.onnx": "absent.onnx"}.items():
        with pytest.raises(RunError, match=f"{name}: OpenVINO can't load it: .*{said}") as caught:
            OpenVinoSession(tmp_path / name)
        assert "\n" not in caught.value.message and "src/" not in caught.value.message


def test_all_files_of_a_model_are_known(written, exports):
    assert [file.name for file in openvino_files(written)] == ["model.xml", "model.bin"]
    assert openvino_files(exports["unet"][0]) == [exports["unet"][0]]


@pytest.mark.parametrize("component", ["text_encoder", "unet", "vae_decoder"])
def test_costs_are_those_of_the_onnx_file(component, exports):
    path = exports[component][0]

    def found(costs):
        return sorted((cost.node, cost.layer, cost.macs, cost.weights, cost.int8) for cost in costs)

    assert found(openvino_costs(path)) == found(node_costs(path))


def test_its_absence_is_said_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match="openvino is not installed") as caught:
        openvino_session._core.__wrapped__()
    assert "pip install" in (caught.value.hint or "") and "openvino" in (caught.value.hint or "")


def test_nothing_is_reported_and_nothing_left_in_the_home_folder(tmp_path):
    code = "import workbench, openvino, nncf; from openvino.tools.ovc import telemetry_utils as t; print(t.tm.__name__)"
    hidden = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_CURRENT_TEST")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=hidden | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip().endswith("telemetry_stub")
    assert not list(tmp_path.rglob("*"))
