"""Warnings of the page: those of the run, and scores that quantization without training can't have made better."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workbench.metrics.registry import metrics
from workbench.report.sections.warnings import gather


def run(method: str, metric: str, low: float, high: float, against: str = "distilled") -> Any:
    told = {"metric": metric, "against": against, "n": 64, "low": low, "high": high, "difference": (low + high) / 2}
    candidate = SimpleNamespace(name="w8a8", parent="distilled", report={"method": method})
    scores = {"w8a8": {"paired": [told]}}
    recipe = SimpleNamespace(metrics=metrics())
    return SimpleNamespace(candidates=[candidate], scores=scores, recipe=recipe, warnings=["the clock was off"])


def test_a_gain_by_rounding_alone_is_a_warning_with_its_size():
    found = gather(run("ptq", "alignment", 0.002, 0.004), None)
    assert found["count"] == 2 and found["found"][0] == "the clock was off"
    assert found["found"][1].startswith("w8a8: alignment (demo) is better than that of distilled (+0.0030, beyond the")


@pytest.mark.parametrize(
    "told",
    [
        ("ptq", "alignment", -0.004, -0.002),
        ("ptq", "alignment", -0.001, 0.004),
        ("ptq", "alignment", 0.000001, 0.000002),
        ("ptq", "alignment", 0.002, 0.004, "base"),
        ("qat", "alignment", 0.002, 0.004),
    ],
)
def test_a_loss_noise_another_parent_or_training_is_none(told):
    assert gather(run(*told), None)["count"] == 1
