"""The page of a comparison: what it says, that it needs nothing else, and that names can't break out of it."""

from __future__ import annotations

import random
import re

import pytest

from workbench.comparing.comparison import INTERLEAVED, STORED, Compared, Comparison, measured
from workbench.comparing.interleaved import Taken
from workbench.comparing.layers import ONLY_B, SMALL, LayerChange
from workbench.comparing.ratio import Load, Ratio, of_loads
from workbench.report.compare_page import render

EVIL = "<script>alert(1)</script>"


def comparison(value: float = 1.08, a: str = "demo", how: str = INTERLEAVED) -> Comparison:
    draw = random.Random(0)
    loads = tuple(
        Load((10.0,) * 4, tuple(10.0 * value * (1 + draw.gauss(0, 0.002)) for _ in range(4)), i % 2 == 0)
        for i in range(6)
    )
    taken = Taken(loads, of_loads(loads), "interval", 3.0)
    ratio = Ratio(1.5, 1.4, 1.6, 10, 1e-9)
    layers = [
        LayerChange("block.slow", 1.0, 1.5, ratio, 1e-6, "slower"),
        LayerChange(EVIL, None, 0.2, None, None, ONLY_B, "in A computed in block.slow"),
        LayerChange("tiny", 0.001, 0.001, ratio, None, SMALL),
    ]
    return Comparison(a, "b.onnx", how, "onnxruntime", 2, (measured("unet", taken, layers),), warnings=(EVIL,))


def test_the_outcome_the_limit_and_the_layers_are_told() -> None:
    page = render(comparison(), 0.05)
    for words in (
        "B is slower: a regression",
        "% slower than A (99 % interval +",
        "Limit: B may be 5.0 % slower. Failed: unet.",
        "unet: block.slow is 50 % slower (+0.500 ms; 1 → 1.5 ms)",
        "unet: only in B: 1 layer, 0.2 ms",
        "in A computed in block.slow",
        "6 loads × 4 passes",
        "onnxruntime, 2 threads, interleaved",
    ):
        assert words in page
    assert page.count('class="load"') == 6 and page.count('class="limit"') == 1


@pytest.mark.parametrize(
    ("value", "headline"), [(1.0, "No difference to be seen"), (1.08, "B is slower"), (0.9, "B is faster")]
)
def test_without_a_limit_the_headline_is_the_outcome(value: float, headline: str) -> None:
    page = render(comparison(value))
    assert f"<h2>{headline}</h2>" in page and "Limit:" not in page


def test_names_from_outside_are_escaped_and_nothing_is_fetched() -> None:
    page = render(comparison(a=EVIL))
    assert "<script" not in page and page.count("&lt;script&gt;") >= 3
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:)""", page)
    assert "default-src 'none'" in page and page == render(comparison(a=EVIL))


def test_stored_profiles_are_shown_without_loads() -> None:
    ratio = Ratio(1.0, 0.9, 1.1, 30, 1.0)
    found = Comparison("a", "b", STORED, "onnxruntime", None, (Compared("unet", ratio, 10, 10, layers_reason="none"),))
    page = render(found)
    assert "The two profiles were taken at different times" in page and 'class="load"' not in page
    assert "30 passes" in page and ">none<" in page
