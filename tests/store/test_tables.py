"""CSV files: nothing in them runs in a spreadsheet, numbers stay numbers, and what is read is what was written."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from workbench.store.tables import read_csv, write_csv

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''+x"]
TEXTS = ["conv_in", "", "null", "NA", "'quoted'", "-5", "+1e3", 'a "b", c', "zwei\nZeilen"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    texts = [*FORMULAS, *TEXTS]
    table = pd.DataFrame({"layer": texts, "ms": [-1.5, *([0.25] * (len(texts) - 1))], "n": range(-1, len(texts) - 1)})
    write_csv(tmp_path / "t.csv", table.astype({"n": "Int64"}))
    return tmp_path / "t.csv"


def test_no_cell_begins_like_a_formula_unless_it_is_a_number(file: Path) -> None:
    with file.open(newline="") as opened:
        rows = list(csv.reader(opened))[1:]
    assert [row[0] for row in rows] == [*(f"'{text}".replace("\r", "\n") for text in FORMULAS), *TEXTS]
    assert rows[0][1:] == ["-1.5", "-1"]


def test_what_is_read_is_what_was_written(file: Path) -> None:
    table = read_csv(file)
    assert list(table["layer"].fillna("")) == [text.replace("\r", "\n") for text in (*FORMULAS, *TEXTS)]
    assert table["ms"][0] == -1.5 and table["n"][0] == -1
