"""A section is one folder: put there, it is on the page, in its navigation, with its style and script."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import ROOT
from workbench.report import sections as home
from workbench.report.data import RunData
from workbench.report.html import write_report
from workbench.report.sections.registry import sections

TOYS = ROOT / "tests" / "fixtures" / "sections"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a toy section as if it lay among the others."""
    monkeypatch.setattr(home, "__path__", [*home.__path__, str(TOYS)])
    yield
    sys.modules.pop(f"{home.__name__}.toy", None)
    vars(home).pop("toy", None)


def on_the_page(text: str) -> list[str]:
    return re.findall(r'<section id="([\w-]+)"', text)


def in_the_navigation(text: str) -> list[str]:
    return re.findall(r'<a href="#([\w-]+)"', text[text.index("<nav") : text.index("</nav>")])


def test_a_section_is_added_in_one_place(toy: None, small: RunData, tmp_path: Path):
    text = write_report(replace(small, warnings=["<b>"]), tmp_path).read_text()
    shown = on_the_page(text)
    assert shown[shown.index("toy") - 1 : shown.index("toy") + 2] == ["budget", "toy", "quality"]
    assert '<h2 id="h-toy">Beware of w8a8</h2>\n<p class="toy">First of all: &lt;b&gt;</p>' in text
    assert '<a href="#toy">Beware: &lt;b&gt;</a>' in text
    assert ".toy { color: var(--accent); }" in text and 'document.body.dataset.toy = "1";' in text


def test_what_a_section_draws_is_no_text_among_the_steps_facts(toy: None, page: Path, small: RunData, tmp_path: Path):
    assert "<caption>dropped</caption>" in page.read_text()
    assert "<caption>dropped</caption>" not in write_report(small, tmp_path).read_text()


def test_a_section_with_nothing_to_say_is_left_out(toy: None, small: RunData, tmp_path: Path):
    text = write_report(replace(small, warnings=[]), tmp_path).read_text()
    assert "toy" not in on_the_page(text) + in_the_navigation(text) and ".toy" not in text


def test_page_and_navigation_follow_the_declared_order(page: Path):
    text, declared = page.read_text(), sections()
    ids = [section.id for section in declared]
    assert len(set(ids)) == len(ids) == len({section.order for section in declared})
    shown = on_the_page(text)
    assert shown == [i for i in ids if i in shown]
    assert in_the_navigation(text) == [i for i in shown if i != "headline"]
