"""The environment of a number: facts, and a reason for each that can't be read."""

from __future__ import annotations

import json
import platform

import pytest

from workbench.store import environment as environment_module
from workbench.store.environment import environment, fingerprint, int8_overflows


def test_every_unknown_fact_has_a_reason():
    found = environment()
    json.dumps(found)
    assert found["cores_usable"] >= 1 and found["libraries"]["torch"]
    for name in ("cpu", "governor", "frequency_khz", "memory_bytes"):
        assert (found[name] is None) == (name in found["unknown"])


def test_the_fingerprint_is_stable_and_names_no_machine():
    assert fingerprint() == fingerprint()
    assert platform.node() not in json.dumps(fingerprint())


@pytest.mark.parametrize(
    ("flags", "overflows"),
    [("avx2", True), ("avx2 avx512f", True), ("avx2 avx_vnni", False), ("avx2 avx512_vnni", False), ("asimd", False)],
)
def test_8_bit_products_overflow_on_x86_without_vnni(tmp_path, monkeypatch, flags, overflows):
    (tmp_path / "cpuinfo").write_text(f"model name\t: one\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(environment_module, "CPUINFO", tmp_path / "cpuinfo")
    assert int8_overflows() is overflows
