"""The page: one file that needs nothing else, the same each time, safe with any name, small enough to attach."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.report.data import RunData
from workbench.report.html import LIMIT_BYTES, write_report
from workbench.report.page import TEMPLATES


class Tags(HTMLParser):
    """Collects start tags with their attributes, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "input", "wbr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    return tags


def test_page_and_csv_lie_side_by_side(make: SimpleNamespace, page: Path):
    assert page.name == "bk_tiny_w8a8.html"
    rows = list(csv.DictReader(page.with_suffix(".csv").open()))
    assert [(r["candidate"], r["target"]) for r in rows] == [
        *((n, "host") for n in make.names),
        *((n, "host-torch") for n in make.names[:3]),
    ]
    assert [r["candidate"] for r in rows if r["chosen"] == "True"] == ["w8a8"]


def test_nothing_is_fetched(page: Path):
    text = page.read_text()
    assert not re.search(r"https?:|//[a-z]+\.", text)
    for tag, attributes in parsed(text).tags:
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert "default-src 'none'" in text and "@import" not in text


def test_page_is_well_formed_and_its_ids_are_unique(page: Path):
    ids = [a["id"] for _, a in parsed(page.read_text()).tags if a.get("id")]
    assert len(ids) == len(set(ids))


def test_every_link_inside_the_page_has_its_target(page: Path):
    tags = parsed(page.read_text()).tags
    ids = {a["id"] for _, a in tags if a.get("id")}
    assert {a["href"] for t, a in tags if t == "a"} <= {f"#{i}" for i in ids}


def test_every_table_has_a_caption_and_scoped_heads(page: Path):
    text = page.read_text()
    assert text.count("<table") == text.count("<caption")
    assert all(a.get("scope") for t, a in parsed(text).tags if t == "th")


def test_every_picture_says_what_it_shows(page: Path):
    pictures = [a for t, a in parsed(page.read_text()).tags if t == "img"]
    assert len(pictures) == 8 * 4
    assert pictures[1]["alt"] == "red apple, drawn by bk_tiny"


def test_same_run_same_bytes(run: RunData, page: Path, tmp_path: Path):
    again = write_report(run, tmp_path)
    assert again.read_bytes() == page.read_bytes()
    assert again.with_suffix(".csv").read_bytes() == page.with_suffix(".csv").read_bytes()


def test_page_is_small(page: Path):
    assert page.stat().st_size < 1_000_000


def test_many_pictures_are_cut_to_the_limit_and_the_page_says_so(make: SimpleNamespace, small: RunData, tmp_path: Path):
    prompts = [f"prompt {i}" for i in range(64)]
    folder = tmp_path / "pictures"
    make.draw_pictures(folder, "bk_tiny")  # noise: the worst case for PNG
    scores = {n: {**s, "prompts": prompts, "pictures": ["000.png"] * 64} for n, s in small.scores.items()}
    config = make.recipe(evaluate={"shown": 64})
    page = write_report(
        replace(small, scores=scores, recipe=config, pictures=dict.fromkeys(make.names, folder)), tmp_path
    )
    assert page.stat().st_size <= LIMIT_BYTES
    left = re.search(r"(\d+) more were left out", page.read_text())
    assert left and page.read_text().count("<img") == (64 - int(left[1])) * 4


def test_large_pictures_are_shrunk(make: SimpleNamespace, small: RunData, tmp_path: Path):
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(9):
        Image.effect_noise((512, 512), 60).save(folder / f"{i:03d}.png")
    page = write_report(replace(small, pictures=dict.fromkeys(make.names, folder)), tmp_path)
    assert page.read_text().count("data:image/jpeg") == 32 and page.stat().st_size < LIMIT_BYTES


def test_hostile_names_stay_text(hostile: RunData, tmp_path: Path):
    tags = parsed(write_report(hostile, tmp_path).read_text()).tags
    assert [t for t, _ in tags].count("script") == 2
    assert not any("onerror" in a for _, a in tags)
    assert all(a["src"] and a["src"].startswith("data:") for t, a in tags if t == "img")


def test_no_candidate_fits_is_said_at_the_top(make: SimpleNamespace, small: RunData, tmp_path: Path):
    config = make.recipe(rank={"maximize": "alignment", "constraints": {"latency_ms": 100.0, "alignment_drop": 0.1}})
    text = write_report(replace(small, recipe=config), tmp_path).read_text()
    assert "<h2>No candidate fits</h2>" in text
    assert "latency_ms is nearest to being met, by w8a8" in text
    assert "w8a8 on host" in text


def test_simulated_and_emulated_numbers_are_labelled(small: RunData, tmp_path: Path):
    profiles = {
        k: {**p, "simulated": k[1] == "w8a8", "emulated": k[1] == "distilled"} for k, p in small.profiles.items()
    }
    text = write_report(replace(small, profiles=profiles), tmp_path).read_text()
    assert 'Pipeline latency<span class="tag loud">simulated</span>' in text
    # in the table of candidates, beside what its step bought, in the budget, and on each of its three components
    assert text.count('<span class="tag loud">emulated</span>') == 6


def test_a_bare_run_still_makes_a_page(make: SimpleNamespace, tmp_path: Path):
    """No scorer, no pictures, no layers, no environment: only a latency and a size."""
    profile = {"pipeline": {"latency_ms": {"median": 12.0}}, "size_bytes": 1_000_000}
    bare = RunData(
        make.recipe(rank={"maximize": "speed"}), "", make.candidates()[:1], {}, {}, {("host", "base"): profile}, {}
    )
    text = write_report(bare, tmp_path).read_text()
    parsed(text)
    assert "Ship base" in text and "Nothing was scored." in text


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two #rgb or #rrggbb colours."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_colour_is_readable_on_its_ground(dark: bool):
    css = (TEMPLATES / "style.css").read_text()
    block = css[css.index("prefers-color-scheme: dark") :] if dark else css
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", block[: block.index("}\n")]))
    texts = ["fg", "muted", "accent", "bad", "good", *(f"s{i}" for i in range(7))]
    low = {t: round(contrast(colours[t], colours["bg"]), 2) for t in texts if contrast(colours[t], colours["bg"]) < 4.5}
    low |= {f"{t} on panel": 0.0 for t in texts[:5] if contrast(colours[t], colours["panel"]) < 4.5}
    low |= {f"fg on {b}": 0.0 for b in ("bar-a", "bar-b") if contrast(colours["fg"], colours[b]) < 4.5}
    assert low == {}


def test_csv_reads_back_with_reasons_that_hold_commas(page: Path):
    text = page.with_suffix(".csv").read_text()
    assert all(len(row) == len(text.splitlines()[0].split(",")) for row in csv.reader(io.StringIO(text)))
