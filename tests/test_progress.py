"""Progress: the time left goes by what parts cost, nothing stays silent, and bars may lie within bars."""

from __future__ import annotations

import io
import sys
import time
from contextlib import redirect_stderr

import pytest

from workbench import progress
from workbench.progress import Bar, quiet, visible


def test_the_time_left_goes_by_what_the_parts_cost():
    even, weighted = Bar("export", 3), Bar("export", 3, [98.0, 1.0, 1.0])
    for bar in (even, weighted):
        bar.tick(0, "")
        bar.start -= 98
        bar.tick(1, "")
    now = time.monotonic()
    assert even.left(now) == pytest.approx(196, abs=1)
    assert weighted.left(now) == pytest.approx(2, abs=0.1)
    assert weighted.left(now + 1) == pytest.approx(1, abs=0.1), "it goes down while a part is under way"


def test_a_part_that_takes_longer_than_thought_does_not_end_in_nothing_left():
    bar = Bar("export", 3, [1.0, 1.0, 8.0])
    bar.tick(0, "")
    bar.start -= 1
    bar.tick(1, "")
    now = time.monotonic()
    assert bar.left(now + 20) == pytest.approx(21 / 2 * 8, abs=1)
    bar.tick(2, "")
    assert bar.left(now + 1000) is None, "the last part is overdue: nobody knows"


def test_work_that_goes_on_from_a_checkpoint_is_not_credited_with_it():
    bar = Bar("distill", 300)
    bar.tick(200, "")
    assert bar.left(time.monotonic()) is None
    bar.start -= 50
    bar.tick(250, "")
    assert bar.left(time.monotonic()) == pytest.approx(50, abs=1)


def test_weights_that_do_not_fit_are_no_weights():
    assert Bar("x", 3, [1.0])._sums is None and Bar("x", 2, [0.0, 0.0])._sums is None


def test_silent_work_is_told_of_even_where_standard_error_is_taken_meanwhile(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SILENT_S", 0.4)
    with visible("outer", 1), visible("export", 1), redirect_stderr(io.StringIO()) as taken:
        time.sleep(1.6)
    told = capsys.readouterr()
    assert "  export: " in told.err and "outer" not in told.err and told.out == ""
    assert taken.getvalue() == ""
    time.sleep(1.2)
    assert capsys.readouterr().err == "", "nothing is told of work that is done"


def test_a_part_without_an_end_in_sight_is_told_with_the_whole_around_it(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SILENT_S", 0.4)
    with visible("export to ONNX", 3, [1.0, 8.0, 1.0]) as tick:
        tick(0)
        time.sleep(0.2)
        tick(1)
        with visible("export base unet", 1):
            time.sleep(1.2)
    line = next(line for line in capsys.readouterr().err.splitlines() if "base unet" in line)
    assert "(export to ONNX: 1/3, " in line and "s left)" in line


def test_a_terminal_has_all_bars_at_once(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with visible("outer", 2) as outer, visible("inner", 4) as inner:
        inner(3, "halfway")
        outer(1)
    with visible("next", 1) as tick:
        tick(1)
    assert all(what in screen.getvalue() for what in ("outer", "inner", "next"))


def test_quiet_takes_what_visible_takes(capsys):
    with quiet("x", 2, [1.0, 2.0]) as tick:
        tick(1, "note")
    assert capsys.readouterr() == ("", "")
