"""The machine's ceilings: measured through the runtime with networks of known work, once, and then remembered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.errors import InputError, RunError
from workbench.graphs.macs import count_graph
from workbench.profile import ceilings as room
from workbench.profile.ceiling_models import PROBES, Probe, onnx_network, torch_network
from workbench.profile.ceilings import ceilings
from workbench.store.store import Store

FEW = (
    Probe("fp32", "MatMul", 64, 64, 1),
    Probe("fp32", "Conv", 16, 16, 2),
    Probe("int8", "MatMul", 64, 64, 2),
    Probe("memory", "MatMul", 1, 256, 4),
    Probe("memory", "Add", 1, 1 << 12, 4),
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PROBES", FEW)
    monkeypatch.setattr(room, "LEAST_SECONDS", 0.002)
    monkeypatch.setattr(room, "BUSY", 0.0)  # whatever else runs here, no machine counts as busy


def saved(probe: Probe, folder: Path) -> Path:
    import onnx

    path = folder / "model.onnx"
    onnx.save(onnx_network(probe)[0], str(path))
    return path


@pytest.mark.parametrize("probe", [p for p in PROBES if p.kind != "memory"], ids=lambda p: f"{p.kind} {p.words}")
def test_a_probe_has_the_macs_that_it_says(probe: Probe, tmp_path: Path):
    assert count_graph(saved(probe, tmp_path)).count.macs == probe.work


@pytest.mark.parametrize("probe", [p for p in PROBES if p.kind == "int8"], ids=lambda p: p.words)
def test_onnx_runtime_multiplies_the_int8_probes_in_integers(probe: Probe, tmp_path: Path):
    from workbench.graphs.read import read_model
    from workbench.runtimes.onnxruntime.session import session

    executed = tmp_path / "executed.onnx"
    session(saved(probe, tmp_path), 1, optimized_path=executed)
    ops = [node.op_type for node in read_model(executed).graph.node]
    assert sum(op.startswith(("QLinear", "QGemm")) for op in ops) == probe.repeats
    assert not {"Conv", "MatMul", "QuantizeLinear", "DequantizeLinear"} & set(ops)


@pytest.mark.parametrize("probe", FEW[:2] + FEW[3:], ids=lambda p: p.words)
def test_torch_computes_what_onnx_computes(probe: Probe, tmp_path: Path):
    import torch

    from workbench.runtimes.onnxruntime.session import session

    module, feed = torch_network(probe)
    expected = session(saved(probe, tmp_path), 1).run(None, feed)[0]
    found = module(torch.from_numpy(feed["x"])).numpy()
    np.testing.assert_allclose(found.max() if probe.op == "Add" else found, expected, rtol=1e-5)


def test_ceilings_are_measured_once_per_threads_and_say_best_n_and_spread(quick: None, tmp_path: Path):
    store = Store(tmp_path)
    first = ceilings("onnxruntime", 1, store)
    assert ceilings("onnxruntime", 1, store) == first
    assert len(list((tmp_path / "results").iterdir())) == 1
    ceilings("onnxruntime", 2, store)
    assert len(list((tmp_path / "results").iterdir())) == 2
    assert first["fp32"]["unit"] == first["int8"]["unit"] == "GMAC/s" and first["refused"] == {}
    assert [(m["bytes"], m["unit"]) for m in first["memory"]] == [(3 * 4 * (1 << 12), "GB/s"), (264192, "GB/s")]
    for entry in (first["fp32"], first["int8"], *first["memory"]):
        assert entry["best"] >= entry["median"] > 0 and entry["iqr"] >= 0 and entry["n"] >= 6
    assert not list(tmp_path.rglob("*.onnx"))  # the probes themselves aren't kept


def test_what_a_busy_machine_gave_is_told_and_measured_again(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(room, "BUSY", 1.1)
    found = ceilings("onnxruntime", 1, Store(tmp_path))
    assert "the machine was busy" in found["warnings"][0]
    assert not (tmp_path / "results").exists()


def test_torch_has_no_int8_ceiling_and_says_why(quick: None, tmp_path: Path):
    found = ceilings("torch", 1, Store(tmp_path))
    assert found["int8"] is None and found["fp32"]["best"] > 0
    assert found["refused"] == {"int8": "this runtime's networks are of float32"}
    assert ceilings("torch-compile", 1, Store(tmp_path)) == found


def test_an_unknown_runtime_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="did you mean onnxruntime"):
        ceilings("onnxruntim", 1, Store(tmp_path))


def test_a_busy_machine_is_told():
    calm, busy = {"of": "product", "best": 100.0, "median": 90.0}, {"of": "product", "best": 100.0, "median": 40.0}
    assert room._warnings(calm, None) == []
    assert len(room._warnings(calm, busy)) == 1


def test_products_that_a_runtime_refuses_are_named_and_without_floats_there_are_no_ceilings(
    quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The files of some kinds are no ONNX: the runtime itself refuses them."""
    written = room._network

    def broken(kinds: set[str]) -> None:
        def network(probe: Probe, folder: Path) -> object:
            made = written(probe, folder)
            if probe.kind in kinds:
                made.path.write_bytes(b"no model")
            return made

        monkeypatch.setattr(room, "_network", network)

    broken({"int8"})
    found = ceilings("onnxruntime", 1, Store(tmp_path / "a"))
    assert found["int8"] is None and "int8" in found["refused"] and found["fp32"]["best"] > 0
    broken({"int8", "fp32"})
    with pytest.raises(RunError, match="onnxruntime: its ceilings can't be measured: "):
        ceilings("onnxruntime", 1, Store(tmp_path / "b"))
