"""What results depend on of the processor."""

from __future__ import annotations

import pytest

from workbench.store import processor
from workbench.store.processor import features, int8_overflows


@pytest.mark.parametrize(
    ("flags", "overflows"),
    [("avx2", True), ("avx2 avx512f", True), ("avx2 avx_vnni", False), ("avx2 avx512_vnni", False), ("asimd", False)],
)
def test_8_bit_products_overflow_on_x86_without_vnni(tmp_path, monkeypatch, flags, overflows):
    (tmp_path / "cpuinfo").write_text(f"model name\t: one\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert int8_overflows() is overflows


def test_a_system_that_tells_nothing_has_no_features(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    assert features() == [] and not int8_overflows()
