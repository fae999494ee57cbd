"""Peak memory comes from a process of its own, and a failure of that process is a reason, not a crash."""

from __future__ import annotations

from workbench.measure.network import Network, network_of
from workbench.profile.peak_memory import peak_memory
from workbench.runtimes.load import file_size


def test_the_probe_sees_what_the_model_needs(exported, demo_candidate):
    networks = [network_of(demo_candidate, name, path, 0) for name, path in exported.items()]
    found = peak_memory("onnxruntime", networks, 1)
    assert found.peak is not None and found.before is not None
    assert found.peak - found.before > sum(file_size(path) for path in exported.values()) * 0.9
    assert found.running is not None and found.before < found.running <= found.peak


def test_an_unreadable_model_gives_a_reason(tmp_path):
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no onnx")
    found = peak_memory("onnxruntime", [Network("own", "model", "fp32", {}, broken)], 1)
    assert found.peak is None and "model.onnx" in (found.reason or "")
