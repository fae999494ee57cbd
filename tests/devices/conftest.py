"""The runner built once for this machine, a small model for it, and a way to call it without adb."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.devices.job import Job, ModelJob, Stream, failure
from workbench.devices.result import Result, read_result
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.devices.toolchain.library import library_for

Call = Callable[..., tuple[Stream, "subprocess.CompletedProcess[str]"]]


def outcome(stream: Stream, code: int, result: Path | None = None, stderr: str = "") -> Result:
    """The result of a runner that ended well; else its failure is raised."""
    if error := failure(stream, code, stderr):
        raise error
    assert result is not None
    return read_result(result.read_text())


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which runners of all targets are kept for the session."""
    return tmp_path_factory.mktemp("built")


@pytest.fixture(scope="session")
def runner(built: Path) -> Path:
    """The runner for this machine."""
    return build_runner(target_of("linux", "x86_64"), built)


@pytest.fixture(scope="session")
def library(built: Path) -> Path:
    """This machine's ONNX Runtime library."""
    return library_for(target_of("linux", "x86_64"), built).path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convolutions over an open batch, and every type of input handed through; names with '=' and quotes."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    inputs = {
        "x": (TensorProto.FLOAT, ["batch", 3, 16, 16]),
        "h": (TensorProto.FLOAT16, [2, 5]),
        "d": (TensorProto.DOUBLE, [7]),
        "id's =1": (TensorProto.INT64, [1, 9]),
        "i32": (TensorProto.INT32, [4]),
        "u8": (TensorProto.UINT8, [11]),
        "flag": (TensorProto.BOOL, [6]),
    }
    outputs = [f"same {name}" for name in inputs if name != "x"]
    weights = {"w1": (8, 3, 3, 3), "w2": (3, 8, 3, 3)}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "down.conv/Conv", pads=[1] * 4),
        helper.make_node("Sigmoid", ["c1"], ["s1"], "down.act/Sigmoid"),
        helper.make_node("Conv", ["s1", "w2"], ["y"], "up.conv/Conv", pads=[1] * 4),
        *(helper.make_node("Identity", [out.removeprefix("same ")], [out], f"{out}/Identity") for out in outputs),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, 16, 16]),
            *(helper.make_tensor_value_info(f"same {n}", *inputs[n]) for n in inputs if n != "x"),
        ],
        [numpy_helper.from_array(rng.normal(0, 0.2, s).astype("f4"), name) for name, s in weights.items()],
    )
    path = tmp_path_factory.mktemp("model with 'quotes'") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def job(library: Path, model: Path, tmp_path: Path) -> Callable[..., Job]:
    """A short job on the model; keyword arguments replace its fields."""

    def make(**changes: object) -> Job:
        fields: dict[str, object] = {
            "library": str(library),
            "out": str(tmp_path / "result.json"),
            "models": (ModelJob(str(model), shapes={"x": (2, 3, 16, 16)}),),
            "phases": ("time",),
            "warmup": 1,
            "iterations": 3,
        }
        return Job(**(fields | changes))

    return make


@pytest.fixture
def call(runner: Path, tmp_path: Path) -> Call:
    """Runs a job through a job file, as on a device; the parsed stream and the finished process."""

    def run(job: Job, **options: object) -> tuple[Stream, subprocess.CompletedProcess[str]]:
        file = tmp_path / "job.txt"
        file.write_text(job.text())
        done = subprocess.run([runner, "--job", file], capture_output=True, text=True, timeout=60, **options)
        stream = Stream()
        for line in done.stdout.splitlines():
            stream.feed(line)
        return stream, done

    return run
