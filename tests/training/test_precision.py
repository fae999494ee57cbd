"""Precision of training: bf16 where the processor multiplies it; imitated, a step would take minutes."""

from __future__ import annotations

import pytest
import torch

from workbench.compress.distill.consistency import DistillConsistencyConfig
from workbench.compress.distill.step import DistillConfig
from workbench.store import processor
from workbench.training.precision import chosen

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("flags\t\t: fpu avx2 fma", "fp32"),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", "fp32"),
        ("flags\t\t: fpu avx512f avx512_bf16", "bf16"),
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", "bf16"),
        ("Features\t: fp asimd i8mm bf16", "bf16"),
        ("processor\t: 0", "fp32"),
    ],
)
def test_auto_is_bf16_only_where_the_processor_multiplies_it(tmp_path, monkeypatch, told, found):
    (tmp_path / "cpuinfo").write_text(f"model name\t: one\n{told}\n")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert chosen("auto", CPU) == found
    assert (chosen("bf16", CPU), chosen("fp32", CPU)) == ("bf16", "fp32"), "what is asked for is done"


def test_steps_that_train_leave_it_to_the_processor():
    assert {DistillConfig().precision, DistillConsistencyConfig().precision} == {"auto"}
