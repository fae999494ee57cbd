"""The section on a search for blocks: where BK-SDM's choices stand is said right, and the figures show every block."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from workbench.report.html import write_report
from workbench.report.sections import blocks
from workbench.report.sections.blocks.figures import every_block, sets, short


def damage(error: float) -> dict[str, Any]:
    return {
        "error": {"value": error, "low": error * 0.8, "high": error * 1.2, "n": 40},
        "sqnr_db": {"999": 31.25, "499": 12.5},
        "psnr_db": {"value": 24.0, "low": 23.0, "high": 25.0, "n": 8},
        "alignment": {"value": 0.91, "low": 0.9, "high": 0.92, "n": 8},
    }


def block(name: str, error: float, *bk: str) -> dict[str, Any]:
    return {
        "block": name, "kind": "attention" if "attentions" in name else "resnet", "params": 1000, "macs": 2000,
        "ms": {"value": 0.25, "iqr": 0.01, "n": 20}, "share": {"params": 0.04, "macs": 0.05, "latency": 0.06},
        "shortcut_stays": name.startswith("up"), "bk": list(bk), **damage(error),
    }  # fmt: skip


def subset(left: float, error: float, *dropped: str, **more: Any) -> dict[str, Any]:
    shares = {"params": left - 0.1, "macs": left, "latency": left + 0.1}
    return {"left": shares, "dropped": list(dropped), **damage(error), **more}


def searched(bk_error: float = 0.9) -> dict[str, Any]:
    """A search under a budget of 60 % of the MACs: two choices on the path, one of BK-SDM's layouts at 62 %."""
    path = [
        subset(0.8, 0.1, "mid_block", unit="middle block"),
        subset(0.59, 0.4, "mid_block", "down_blocks.0.attentions.1", unit="attentions of down 0"),
    ]
    return {
        "method": "greedy", "budget": {"measure": "macs", "share": 0.6, "least": 0.35}, "seed": 3, "steps": 5,
        "guidance_scale": 3.0, "prompts": 8, "timesteps": [999, 499], "pictures": 8,
        "parent": {"params": 25_000, "macs": 40_000, "ms": {"value": 4.0, "iqr": 0.1, "n": 20}},
        "blocks": [
            block("mid_block.resnets.0", 0.001, "bk-tiny"),
            block("down_blocks.0.attentions.1", 0.2, "bk-tiny"),
            block("up_blocks.1.resnets.0", 0.01),
        ],
        "left_out": [{"block": "down_blocks.0.downsamplers.0", "why": "changes the resolution"}],
        "path": path, "put_back": [],
        "tried": [{"left": row["left"], "error": row["error"]["value"]} for row in path]
        + [{"left": {"params": 0.52, "macs": 0.62, "latency": 0.72}, "error": bk_error}],
        "bk": [subset(0.62, bk_error, "mid_block", layout="bk-tiny")],
        "bk_left_out": [{"layout": "bk-base", "why": "this U-Net has no such block"}],
        "chosen": path[-1] | {"found_by": "greedy"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def run_with(small):
    """The run whose second candidate was made by a search."""
    first, second, *rest = small.candidates
    report = second.report | {"block_search": searched(), "warnings": []}
    return replace(small, candidates=[first, replace(second, report=report), *rest])


def test_sentences_say_where_bk_sdm_stands():
    said = blocks.sentences(searched())
    assert "at most 60.0 % of the MACs" in said[0] and "leaves 59.0 %" in said[0] and "0.400" in said[0]
    assert said[1:] == [
        "bk-tiny leaves 62.0 % with 0.900: the best measured set with as few has 0.400. "
        "Of the 2 blocks that bk-tiny removes, 1 are among the 2 that do least damage alone."
    ]


def test_a_layout_that_nothing_beats_is_said_to_be_the_best():
    assert "with 0.0500: no measured set with as few has less." in blocks.sentences(searched(0.05))[-1]


def test_every_block_is_a_row_with_what_the_pointer_shows():
    drawn = every_block(searched(), "cut")
    assert drawn is not None
    assert ">0.01<" in drawn and "$" not in drawn
    for name in ("mid resnet 0", "down 0 attention 1", "up 1 resnet 0"):
        assert f">{name}<" in drawn
    assert drawn.index(">mid resnet 0<") < drawn.index(">down 0 attention 1<")
    told = re.findall(r"<title>([^<]+)</title>", drawn)
    assert any(t.startswith("mid_block.resnets.0: error 0.00100 (n = 40)") and "removed by bk-tiny" in t for t in told)
    assert "5.0 % of the MACs" in told[0] and "0.250 ms" in told[0]


def test_sets_show_the_path_the_layouts_and_the_budget():
    drawn = sets(searched(), "cut")
    assert drawn is not None
    for text in ("+ middle block", "+ attentions of down 0", "bk-tiny", "budget 60 %"):
        assert f">{text}<" in drawn
    assert len(re.findall(r"<title>", drawn)) == 3
    assert sets(searched(), "cut") == drawn


def test_a_search_without_choices_has_no_figure_of_sets():
    assert sets(searched() | {"path": []}, "cut") is None


@pytest.mark.parametrize(
    ("path", "name"), [("down_blocks.3.attentions.0", "down 3 attention 0"), ("mid_block.resnets.1", "mid resnet 1")]
)
def test_rows_are_named_in_few_letters(path, name):
    assert short(path) == name


def test_the_page_has_the_section_only_where_something_was_searched(run_with, small, tmp_path):
    page = write_report(run_with, tmp_path).read_text()
    assert page.count('id="blocks"') == 1 and 'href="#blocks"' in page
    assert "changes the resolution" in page and "bk-base (this U-Net has no such block)" in page
    assert "{'value'" not in page and "block search" not in page
    assert not re.search(r"<title>[^<]*</title>\s*<title>", page)
    assert 'id="blocks"' not in write_report(small, tmp_path / "without").read_text()
