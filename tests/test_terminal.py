"""Tables fit the terminal, and where there is none a row is a line."""

from __future__ import annotations

import re

import pytest

from workbench.terminal import table

NAMES = ("layer", *(f"column {i}" for i in range(12)))
ROWS = [("down_blocks.0.attentions.0.transformer_blocks.0.attn1", *(f"{i * 1000:,}" for i in range(12)))] * 2


def test_without_a_terminal_a_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    table(NAMES, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("11,000" in line for line in lines[1:])


@pytest.mark.parametrize("width", [40, 80, 300])
def test_a_table_fits_the_terminal_and_loses_nothing(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    table(NAMES, [(row[0][:38], *row[1:]) for row in ROWS])
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, text.splitlines())) <= width
    assert all(text.count(cell) >= 2 for cell in ROWS[0][1:])
