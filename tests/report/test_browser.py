"""The page in a real browser: what a reader sees, sorts, filters, prints, and holds in a hand."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from tests.fixtures.browser import Browser, printed
from tests.report.test_compare_page import comparison
from workbench.report.compare_page import render
from workbench.report.html import write_report


def test_table_shows_the_layers_that_matter_slowest_first(browser: Browser, page: Path, run):
    opened = browser.open(page)
    found = opened.rows()
    times = [float(row[3]) for row in found if row[3] != "not there"]
    assert opened.console == []
    assert found[0][0] == "vae_decoder decoder.up_blocks.3.resnets.0.conv1"
    assert times == sorted(times, reverse=True)
    base = run.layer_table("host", "base").latency_ms
    assert 0.95 * base.sum() <= sum(times) < base.sum() and len(found) < len(base)
    assert re.search(rf"{len(found)} of \d+ rows, those that make up 95 % of the time", opened.dom)


def test_address_chooses_sorting_candidates_and_all_rows(browser: Browser, page: Path):
    opened = browser.open(page, "#t=host&a=distilled&b=w8a8&sort=ratio&dir=desc&all=1&q=unet+attn1")
    found = opened.rows()
    ratios = [float(row[5]) for row in found if row[5] != "–"]
    assert found and all("attn1" in row[0] for row in found)
    assert ratios == sorted(ratios, reverse=True) and ratios[0] > 1
    assert re.search(r'aria-sort="descending"><button[^>]*>B ÷ A', opened.dom)
    assert "distilled, ms" in opened.dom and "w8a8, ms" in opened.dom and opened.console == []


def test_rolled_up_blocks_add_up_to_the_layers(browser: Browser, page: Path, run):
    found = {row[0].strip(): row for row in browser.open(page, "#by=0&all=1&a=base&b=bk_tiny").rows()}
    base = run.layer_table("host", "base")
    text = base[base.component == "text_encoder"].latency_ms.sum()
    assert float(found["text_encoder"][3]) == pytest.approx(text, abs=1e-3)
    assert {"unet (unmapped)", "unet (runtime)"} <= set(found)


def test_a_candidate_that_a_target_lacks_is_not_offered(browser: Browser, page: Path):
    opened = browser.open(page, "#t=host-torch&a=base&b=w8a8")
    offered = re.search(r'<select name="b">(.*?)</select>', opened.dom, flags=re.S)
    assert offered and "w8a8" not in offered[1]
    assert opened.rows() and opened.console == []


def test_nonsense_in_the_address_does_no_harm(browser: Browser, page: Path):
    opened = browser.open(page, "#t=moon&a=%3Cimg%3E&sort=evil&by=9")
    assert len(opened.rows()) > 50 and opened.console == []


@pytest.mark.parametrize(("scheme", "ground"), [("dark", (21, 23, 26)), ("light", (255, 255, 255))])
def test_dark_and_light(browser: Browser, page: Path, scheme: str, ground: tuple[int, ...]):
    from PIL import Image

    opened = browser.open(page, prefers_color_scheme=scheme)
    picture = Image.open(io.BytesIO(opened.png())).convert("RGB")
    assert picture.size == (1280, 900) and picture.getpixel((2, 2)) == ground
    assert len(picture.getcolors(1 << 24)) > 300 and opened.console == []


def test_styles_of_figures_and_bars_arrive_under_the_policy(browser: Browser, page: Path):
    opened = browser.open(page)
    fill = "getComputedStyle(document.querySelector('#candidates svg use')).fill"
    bar = "getComputedStyle(document.querySelector('#layer-table td.bar')).getPropertyValue('--p')"
    assert opened.run(fill).startswith("rgb(") and opened.run(fill) != "rgb(0, 0, 0)"
    assert opened.run(bar) == "100.0%" and "style=" not in page.read_text()[: page.read_text().index("<script")]


def test_what_the_policy_has_no_hash_of_does_not_run(browser: Browser, page: Path, tmp_path: Path):
    evil = "<script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\"><style>p{}</style>"
    injected = tmp_path / "injected.html"
    injected.write_text(page.read_text().replace("</main>", f'{evil}<b style="color: red">x</b></main>'))
    opened = browser.open(injected)
    assert "unsafe" not in page.read_text() and opened.run("document.title") != "run"
    assert sum("Content Security Policy" in line for line in opened.console) >= 4


@pytest.mark.parametrize("width", [1280, 500, 390])
def test_page_is_never_wider_than_the_window(browser: Browser, page: Path, width: int):
    assert browser.open(page, width=width).run("document.documentElement.scrollWidth") == width


OUTSIDE = """[...document.querySelectorAll("svg.figure text")].filter((text) => {
  const box = text.getBoundingClientRect(), frame = text.closest("svg").getBoundingClientRect();
  const axes = text.closest('[id*="axes_1"] > [id*="text_"]') && text.closest("#candidates")
    ? text.closest("svg").querySelector('[id*="patch_2"]').getBoundingClientRect() : frame;
  return box.left < axes.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1;
}).map((text) => text.textContent)"""


def test_main_figure_shows_every_candidate_on_a_phone(browser: Browser, page: Path, run):
    opened = browser.open(page, width=390)
    shown = """[...document.querySelectorAll("#candidates > .beside svg.figure text")].filter((text) => {
      const box = text.getBoundingClientRect();
      return box.width && box.left >= 0 && box.right <= innerWidth && box.height >= 9;
    }).map((text) => text.textContent)"""
    assert {c.name for c in run.candidates} <= {text.split(",")[0] for text in opened.run(shown)}


def test_no_figure_clips_a_label(browser: Browser, page: Path):
    assert browser.open(page).run(OUTSIDE) == []


def test_what_scrolls_can_be_reached_by_keyboard(browser: Browser, page: Path):
    cut = """[...document.querySelectorAll(".scroll, .pictures")].filter(
      (box) => box.scrollWidth > box.clientWidth && box.tabIndex < 0).map((box) => box.outerHTML.slice(0, 80))"""
    assert browser.open(page, width=390).run(cut) == []


def test_report_prints_in_order_with_everything_open_and_nothing_over_another(browser: Browser, page: Path):
    opened = browser.open(page)
    text, overlaps = printed(opened.pdf())
    titles = opened.run("[...document.querySelectorAll('main h2')].map((title) => title.textContent)")
    places = [text.index(f"{title}\n") for title in titles]
    assert overlaps == []
    assert places == sorted(places) and len(places) > 8
    layers = text[text.index("Layers, side by side\n") : text.index("Why it is as fast as it is\n")]
    assert "vae_decoder decoder." in layers and f"{len(opened.rows()) - 20} more rows are on the page." in layers
    assert layers.count("unet") <= 20 and "rolled up to" not in text and "show all" not in text
    for closed in ("Components one by one", "The recipe", "constraints: {latency_ms: 150"):
        assert closed in text


def test_comparison_prints_its_layers_and_opens_under_its_policy(browser: Browser, tmp_path: Path):
    file = tmp_path / "compare.html"
    file.write_text(render(comparison(), 0.05))
    opened = browser.open(file, width=390)
    text, overlaps = printed(opened.pdf())
    assert opened.console == [] and opened.run("document.documentElement.scrollWidth") == 390
    assert overlaps == [] and text.count("block.slow") == 5 and "As JSON" in text and '"threads": 2' in text


def test_hostile_names_do_nothing_in_a_browser(browser: Browser, hostile, tmp_path: Path):
    opened = browser.open(write_report(hostile, tmp_path), "#all=1")
    title = opened.run("document.title")
    assert opened.console == [] and title != "1" and opened.run("document.querySelectorAll('[onerror]').length") == 0
    assert any("<img" in row[0] for row in opened.rows())
