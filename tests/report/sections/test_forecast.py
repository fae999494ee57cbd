"""Forecast and truth as the page shows them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.report.html import write_report
from workbench.report.sections.forecast import gather

ROW = {"stage": "distill", "name": "distilled", "forecast_s": 100.0, "took_s": 140.0, "ratio": 1.4, "cpu_s": 90.0}
ROW |= {"forecast_bytes": 1_300_000_000, "peak_bytes": 1_210_000_000, "source": "from MACs", "resumed": False}


def rows() -> list[dict[str, Any]]:
    far = {**ROW, "name": "far", "took_s": 250.0, "ratio": 2.5, "source": "measured before"}
    stored = {**ROW, "name": "old", "forecast_s": None, "ratio": None, "forecast_bytes": None, "peak_bytes": None}
    return [ROW, far, {**stored, "source": "stored"}, {**ROW, "name": "cut", "ratio": 0.1, "resumed": True}]


def test_the_ratio_stands_beside_both_and_those_within_the_factor_are_counted(run):
    found = gather(replace(run, stages=rows()), None)
    assert (found.near, found.known) == (1, 2)
    assert found.rows[0] == [
        "distill distilled",
        "100.0 s",
        "2.3 min",
        "1.40",
        "90.0 s",
        "1.30 GB",
        "1.21 GB",
        "from MACs",
    ]
    assert found.rows[2] == ["distill old", "–", "2.3 min", "–", "90.0 s", "–", "–", "stored"]
    assert found.rows[3][0] == "distill cut, only what was left after a stop"


def test_a_run_of_which_nothing_is_known_has_no_such_section(run, small, tmp_path):
    assert gather(run, None) is None
    page = write_report(replace(small, stages=rows()), tmp_path).read_text()
    assert "1 of 2 stages took what was said within a factor of 1.5" in page
    assert ">1.40<" in page
