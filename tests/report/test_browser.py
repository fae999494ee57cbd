"""The page in a real browser: the table of layers fills, sorts, filters and keeps its state in the address."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
FLAGS += "--disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr"
Browse = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def browse(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Browse:
    """Opens the page at a hash with further flags; gives standard output and what the console said."""

    assert CHROMIUM, "no Chromium here; `make browser` installs it"

    def open_page(state: str, *more: str) -> tuple[str, str]:
        profile = tmp_path_factory.mktemp("profile")
        command = [str(CHROMIUM), *FLAGS.split(), f"--user-data-dir={profile}", *more, f"file://{page}{state}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return open_page


def rows(dom: str) -> list[list[str]]:
    """Texts of the cells of the table of layers."""
    table = dom[dom.index('id="layer-table"') :]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    cells = [re.findall(r"<t[hd].*?</t[hd]>", row, flags=re.S) for row in re.findall(r"<tr.*?</tr>", body, flags=re.S)]
    return [[re.sub(r"<[^>]+>", "", cell) for cell in row] for row in cells]


def test_table_shows_the_layers_that_matter_slowest_first(browse: Browse, run):
    dom, console = browse("", "--dump-dom")
    found = rows(dom)
    times = [float(row[3]) for row in found if row[3] != "not there"]
    assert console == ""
    assert found[0][0] == "vae_decoder decoder.up_blocks.3.resnets.0.conv1"
    assert times == sorted(times, reverse=True)
    base = run.layer_table("host", "base").latency_ms
    assert 0.95 * base.sum() <= sum(times) < base.sum() and len(found) < len(base)
    assert re.search(rf"{len(found)} of \d+ rows, those that make up 95 % of the time", dom)


def test_address_chooses_sorting_candidates_and_all_rows(browse: Browse):
    dom, console = browse("#t=host&a=distilled&b=w8a8&sort=ratio&dir=desc&all=1&q=unet+attn1", "--dump-dom")
    found = rows(dom)
    ratios = [float(row[5]) for row in found if row[5] != "–"]
    assert console == ""
    assert found and all("attn1" in row[0] for row in found)
    assert ratios == sorted(ratios, reverse=True) and ratios[0] > 1
    assert re.search(r'aria-sort="descending"><button[^>]*>B ÷ A', dom)
    assert "distilled, ms" in dom and "w8a8, ms" in dom


def test_rolled_up_blocks_add_up_to_the_layers(browse: Browse, run):
    dom, _ = browse("#by=0&all=1&a=base&b=bk_tiny", "--dump-dom")
    found = {row[0].strip(): row for row in rows(dom)}
    base = run.layer_table("host", "base")
    text = base[base.component == "text_encoder"].latency_ms.sum()
    assert float(found["text_encoder"][3]) == pytest.approx(text, abs=1e-3)
    assert {"unet (unmapped)", "unet (runtime)"} <= set(found)


def test_a_candidate_that_a_target_lacks_is_not_offered(browse: Browse):
    dom, console = browse("#t=host-torch&a=base&b=w8a8", "--dump-dom")
    offered = re.search(r'<select name="b">(.*?)</select>', dom, flags=re.S)
    assert offered and "w8a8" not in offered[1]
    assert console == "" and rows(dom)


def test_nonsense_in_the_address_does_no_harm(browse: Browse):
    dom, console = browse("#t=moon&a=%3Cimg%3E&sort=evil&by=9", "--dump-dom")
    assert console == "" and len(rows(dom)) > 50


@pytest.mark.parametrize(("scheme", "ground"), [("0", (21, 23, 26)), ("1", (255, 255, 255))])
@pytest.mark.parametrize("width", [1280, 500])
def test_screenshot_in_dark_and_light(browse: Browse, tmp_path: Path, scheme: str, ground: tuple[int, ...], width: int):
    from PIL import Image

    file = tmp_path / "page.png"
    flags = (f"--screenshot={file}", f"--window-size={width},2400", f"--blink-settings=preferredColorScheme={scheme}")
    _, console = browse("", *flags)
    picture = Image.open(file).convert("RGB")
    assert console == ""
    assert picture.size == (width, 2400) and picture.getpixel((2, 2)) == ground
    assert len(picture.getcolors(1 << 24)) > 500


def test_page_is_never_wider_than_the_window(page: Path, tmp_path: Path):
    probe = "<script>document.title='w'+document.documentElement.scrollWidth</script></body>"
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", probe))
    command = [
        str(CHROMIUM),
        *FLAGS.split(),
        f"--user-data-dir={tmp_path}/profile",
        "--window-size=500,900",
        "--dump-dom",
    ]
    dom = subprocess.run([*command, f"file://{probed}"], capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>w500</title>" in dom
