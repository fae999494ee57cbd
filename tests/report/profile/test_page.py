"""The page of a profile: offline, small, escaped, its numbers those of the profile; and in a real browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.fixtures.browser import Browser, Page, printed
from workbench.measure.layers import COLUMNS
from workbench.profile.read import ReadProfile
from workbench.report.profile import headline, layers
from workbench.report.profile.operators import operators
from workbench.report.profile.page import render, write_profile_page

Browse = Callable[..., Page]


def unet_layers(blocks: int) -> list[tuple[str, str, int]]:
    """Paths, operators and MACs as a U-Net of Stable Diffusion has them, about 57 a block."""
    inside = [("norm1", "InstanceNormalization", 0), ("conv1", "Conv", 9_000_000), ("conv2", "Conv", 9_000_000)]
    attention = [("norm1", "LayerNormalization", 0), ("attn1", "FusedMatMul", 0), ("attn1.to_q", "Gemm", 1_000_000)]
    attention += [("attn1.to_k", "Gemm", 1_000_000), ("attn2.to_v", "Gemm", 200_000), ("ff.net.0.proj", "Gemm", 8_000)]
    found = [("conv_in", "Conv", 590_000), ("(root)", "Add", 0)]
    for b in range(blocks):
        for i in range(3):
            found += [(f"down_blocks.{b}.resnets.{i}.{n}", op, macs) for n, op, macs in inside]
            place = f"down_blocks.{b}.attentions.{i}.transformer_blocks.0"
            found += [(f"{place}.{n}", op, macs) for n, op, macs in attention]
            found += [(f"{place}.{n}.extra.{k}", "Mul", 0) for n, _, _ in attention[:2] for k in range(5)]
    return found


def a_profile(candidate: str = "base", target: str = "host", blocks: int = 2, speed: float = 1.0) -> ReadProfile:
    rng = np.random.default_rng(len(candidate))
    rows: list[dict[str, Any]] = []
    for layer, op, macs in unet_layers(blocks):
        ms = (macs / 4e7 + 0.004) * speed * rng.uniform(0.9, 1.1)
        rows.append({"layer": layer, "op": op, "scheme": "fp32", "calls": 1, "latency_ms": ms, "macs": macs})
    rows.append({"layer": "conv_act", "op": "(fused)", "scheme": "fp32", "latency_ms": 0.0, "fused_into": "conv_out"})
    rows += [{"layer": "(unmapped)", "latency_ms": 0.002}, {"layer": "(runtime)", "latency_ms": 1.5 * speed}]
    for row in rows:
        own = {"component": "unet", "latency_iqr_ms": 0.001, "peak_bytes": 4096 + row.get("macs", 0) // 10}
        row |= own | {
            "params": row.get("macs", 0) // 64,
            "attention_macs": 500 if row.get("op") == "FusedMatMul" else 0,
        }
    rows.append({"component": "text_encoder", "layer": "encoder.fc1", "op": "Gemm", "latency_ms": 0.4, "macs": 99})
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    unet = table[table.component == "unet"]
    samples = [round(20 * speed * rng.uniform(0.97, 1.03), 4) for _ in range(400)]
    time = {"median": 20.0 * speed, "p90": 21.0, "iqr": 0.5, "min": 19.0, "n": 400, "drift": 0.01, "samples": samples}
    events = [[f"{r.layer}/{r.op}", r.layer, r.op, i * 10.0, 9.0] for i, r in enumerate(unet.itertuples())]
    kernel = float(unet[unet.layer != "(runtime)"].latency_ms.sum())
    parts: dict[str, Any] = {
        "unet": {
            "latency_ms": time, "load_cold_ms": 210.0, "load_warm_ms": 90.0, "first_call_ms": 31.0, "scheme": "fp32",
            "size_bytes": 3_000_000, "params": 700_000, "macs": 222_000_000, "macs_with_attention": 230_000_000,
            "uncounted": {"com.acme::Magic": 3}, "kernel_ms": kernel, "profiled_wall_ms": kernel + 1.5,
            "kernel_over_wall": kernel / (kernel + 1.5), "unmapped_share": 0.002 / kernel, "profiled_passes": 20,
            "op_ms": {"Conv": 8.0, "Gemm": 3.0, "Transpose": 1.0, "QuantizeLinear": 0.5, "Cos": 0.01, "Sin": 0.01},
            "events": [e for e in events if not e[1].startswith("(r")], "live_peak_bytes": 904_096,
            "live_peak_at": "down_blocks.0.resnets.0.conv1",
            "transitions": [{"before": "fp32", "after": "int8", "count": 12, "ms": 0.31}],
            "layer_samples_ms": {r.layer: [round(r.latency_ms, 4)] * 20 for r in unet.itertuples()},
        },
        "text_encoder": {
            "latency_ms": {"median": 0.5, "p90": 0.6, "iqr": 0.2, "min": 0.4, "n": 30, "drift": None, "samples": [0.5]},
            "op_ms": {"Gemm": 0.4}, "events": [], "unmapped_share": 0.0, "kernel_over_wall": None,
        },
    }  # fmt: skip
    summary = {
        "schema_version": 2, "candidate": candidate, "target": target, "runtime": "onnxruntime", "scheme": "fp32",
        "pipeline": None, "components": parts, "size_bytes": 3_100_000, "params": 710_000, "macs": 222_000_099,
        "macs_with_attention": 230_000_099, "peak_rss_bytes": 120_000_000, "runtime_rss_bytes": 46_000_000,
        "threads": 2, "seed": 0, "noise": {"steal_share": 0.01, "load_before": 1.5},
        "environment": {"cpu": "test processor", "memory_bytes": 8_200_000_000, "libraries": {"onnxruntime": "1.32.0"}},
        "warnings": [f"{candidate}: other processes used 12% of the CPU time meanwhile"],
    }  # fmt: skip
    return ReadProfile(summary, table)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)))


@pytest.fixture(scope="module")
def one() -> ReadProfile:
    return a_profile()


@pytest.fixture(scope="module")
def three() -> list[ReadProfile]:
    return [a_profile(), a_profile("tiny", blocks=1), a_profile("tiny", "host-torch", blocks=1, speed=2.0)]


def test_the_same_profiles_give_the_same_bytes(three, tmp_path):
    first = write_profile_page(three, tmp_path / "a.html").read_bytes()
    assert write_profile_page(three, tmp_path / "b.html").read_bytes() == first


def test_full_size_networks_fit_into_two_megabytes():
    profiles = [a_profile(candidate, blocks=14) for candidate in ("base", "small", "tiny")]
    assert len(profiles[0].table) > 800
    assert len(render(profiles).encode()) < 2_000_000


def test_page_needs_no_network(one):
    page = render([one])
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', page)
    assert "default-src 'none'" in page and "@import" not in page and "url(" not in page.replace("url(#", "")


def test_names_from_a_model_are_text_and_never_markup(one):
    evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    table = one.table.copy()
    table.loc[0, ["layer", "op", "scheme"]] = evil
    summary = json.loads(json.dumps(one.summary))
    summary |= {"candidate": evil, "warnings": [evil], "environment": {"cpu": evil}}
    summary["components"]["unet"] |= {"live_peak_at": evil, "op_ms": {evil: 3.0}, "uncounted": {evil: 1}}
    page = render([ReadProfile(summary, table, (evil,)), one])
    assert "<img" not in page and page.count("<script") == page.count("</script>") == render([one]).count("<script")
    data = re.search(r'<script type="application/json" id="layer-data">(.*?)</script>', page, flags=re.S)
    assert data and evil in json.loads(data[1])["texts"]


def test_tiles_are_the_figures_of_the_profile(one):
    tiles = {tile.label: tile for tile in headline.tiles(one, "unet")}
    assert tiles["median latency"].value == "20.0 ms" and tiles["median latency"].doubts == []
    assert "n = 400" in tiles["p90"].detail and tiles["spread"].value == "2.5 %"
    assert tiles["MACs, one pass of each"].detail.startswith("230 M with")
    assert tiles["MACs, one pass of each"].doubts == ["not counted: 3 × com.acme::Magic"]
    assert tiles["peak memory (RSS)"].value == "120 MB" and tiles["values alive, most at once"].kind == "estimated"
    said = text_of(render([one]))
    assert all(tile.value in said for tile in tiles.values())
    assert "base: other processes used 12% of the CPU time" in said


def test_a_noisy_or_drifting_median_says_so_beside_it(one):
    summary = json.loads(json.dumps(one.summary))
    summary["components"]["unet"]["latency_ms"] |= {"iqr": 5.0, "drift": 0.2}
    tile = headline.tiles(ReadProfile(summary, one.table), "unet")[0]
    assert tile.doubts == ["noisy: IQR 25 % of the median", "drifted by +20 % while it was measured"]
    assert text_of(render([ReadProfile(summary, one.table)])).count("noisy: IQR 25 % of the median") == 2


def test_pipeline_latency_is_the_headline_where_there_is_one(one):
    summary = one.summary | {
        "pipeline": {
            "steps": 10, "guidance_passes": 2, "parts_ms": {"text_encoder": 900.0, "unet": 400.0},
            "latency_ms": {"median": 1300.0, "p90": 1400.0, "iqr": 10.0, "min": 1200.0, "n": 30},
        }
    }  # fmt: skip
    profile = ReadProfile(summary, one.table)
    assert headline.main_component([profile]) == "text_encoder"
    assert headline.tiles(profile, "unet")[0].value == "1,300 ms"


def test_names_of_profiles_leave_out_what_they_share(one, three):
    torch = three[2]
    assert headline.labels([one]) == ["base@host"]
    assert headline.labels(three[:2]) == ["base", "tiny"]
    assert headline.labels(three[1:]) == ["host", "host-torch"]
    assert headline.labels(three) == ["base@host", "tiny@host", "tiny@host-torch"]
    assert headline.labels([torch, torch]) == ["tiny@host-torch #1", "tiny@host-torch #2"]


def test_a_warning_of_one_of_several_carries_its_name(three):
    def said(*warnings: str) -> list[str]:
        told = [ReadProfile(p.summary | {"warnings": [w]}, p.table) for p, w in zip(three, warnings, strict=False)]
        return re.findall(r"<li>(.*?)</li>", render(told))

    assert said("all of it", "all of it") == ["all of it"]
    assert said("too hot", "tiny.unet: noisy") == ["base: too hot", "tiny.unet: noisy"]


def test_operators_add_up_and_rare_ones_share_a_row(one):
    found = operators([one], "unet")
    assert found and [row.op for row in found.rows] == ["Conv", "Gemm", "Transpose", "QuantizeLinear", "2 others"]
    assert found.rows[-1].cells[0].ms == "0.0200" and found.total == ["12.5 ms"]
    assert found.moved == ["12 %"]


def test_live_bytes_follow_the_order_of_the_kernels(one):
    curve = layers.live_curve(one, "unet")
    peaks = one.table[one.table.component == "unet"].set_index("layer").peak_bytes
    assert curve == [peaks[event[1]] for event in one.summary["components"]["unet"]["events"]]
    assert layers.live_curve(one, "text_encoder") == []
    assert layers.memory_figure([one], ["base"], "text_encoder") is None


def test_strip_keeps_the_slowest_pass_however_many_there_are():
    samples = [1.0] * 999 + [10.0] + [1.0] * 4000
    svg = layers.strip(samples)
    assert svg and "4999 passes" not in svg and "5000 passes in order, from 0 to 10 ms" in svg
    heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", svg)]
    assert len(heights) == 2 * layers.STRIP[0] and sum(y == 1 for y in heights) == 1
    assert sum(y < heights[-1] for y in heights) == 1
    assert layers.strip([1.0]) is None


def test_bounds_of_the_machine_join_the_layers(one):
    bounds = pd.DataFrame(
        [{"component": "unet", "layer": "conv_in", "bound": "memory", "bound_share": 0.4321}],
    )
    data = json.loads(layers.payload([one], ["base"], "unet", {"base@host": bounds}))
    row = data["tables"][0]["i"].index(data["names"].index(["unet", "conv_in"]))
    assert data["texts"][data["tables"][0]["bound"][row]] == "memory" and data["tables"][0]["reached"][row] == 0.4321
    assert "bound" not in json.loads(layers.payload([one], ["base"], "unet"))["tables"][0]


@pytest.fixture(scope="module")
def pages(one, three, tmp_path_factory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("pages")
    return {"one": write_profile_page([one], out / "1.html"), "three": write_profile_page(three, out / "3.html")}


@pytest.fixture
def browse(browser: Browser, pages: dict[str, Path]) -> Browse:
    """Opens a page at a hash, and makes sure that nothing was complained of."""

    def open_page(which: str, state: str = "", **window: Any) -> Page:
        opened = browser.open(pages[which], state, **window)
        assert opened.run("document.documentElement.scrollWidth <= innerWidth") and opened.console == []
        return opened

    return open_page


def test_browser_shows_the_slowest_layers_and_always_what_is_on_none(browse, one):
    opened = browse("one")
    found = opened.rows()
    times = [float(row[4]) for row in found]
    assert times == sorted(times, reverse=True)
    assert {"(runtime)", "(unmapped)"} <= {row[1] for row in found}
    unet = one.table[one.table.component == "unet"]
    layers = unet[~unet.layer.isin(("(runtime)", "(unmapped)"))]
    shown = [float(row[4]) for row in found if row[1] not in ("(runtime)", "(unmapped)")]
    assert 0.95 * layers.latency_ms.sum() <= sum(shown) + 0.01 and len(shown) < len(layers)
    assert float(opened.rows("tfoot")[-1][4]) == pytest.approx(unet.latency_ms.sum(), abs=2e-3)
    assert f"{len(found)} of {len(unet)} rows, those that make up 95 % of the time" in opened.dom


def test_browser_shows_all_filters_and_says_what_is_fused(browse, one):
    found = browse("one", "#all=1&sort=order&dir=asc").rows()
    assert len(found) == (one.table.component == "unet").sum()
    assert [int(row[0]) for row in found] == list(range(1, len(found) + 1))
    fused = browse("one", "#q=fused+conv_act").rows()
    assert [row[1:3] for row in fused] == [["conv_act", "fused into conv_out"]]


@pytest.mark.parametrize("view", ["op", "scheme", "component"])
def test_browser_rolls_up_without_losing_time(browse, one, view):
    unet = one.table[one.table.component == "unet"]
    found = {re.sub(r" \(\d+ layers\)", "", row[0]): float(row[1]) for row in browse("one", f"#v={view}").rows()}
    assert sum(found.values()) == pytest.approx(unet.latency_ms.sum(), abs=0.01)
    if view == "op":
        assert found["Conv"] == pytest.approx(unet[unet.op == "Conv"].latency_ms.sum(), abs=2e-3)


def test_browser_tree_of_modules_opens_and_adds_up(browse, one):
    opened = browse("one", "#v=tree&all=1")
    unet = one.table[one.table.component == "unet"]
    found = {re.sub(r" \(\d+ layers\)", "", row[1]): row for row in opened.rows()}
    block = unet[unet.layer.str.startswith("down_blocks.1.")].latency_ms.sum()
    assert float(found["down_blocks.1"][4]) == pytest.approx(block, abs=2e-3)
    assert "attentions.2" in found and "attn1" not in found
    opened.run("""for (const name of ["attentions.2", "transformer_blocks.0"])
      document.querySelector(`#layer-table button[aria-label="${name}"]`).click();""")
    after = [re.sub(r" \(\d+ layers\)", "", row[1]) for row in opened.rows()]
    assert {"attn1", "ff"} <= set(after) and len(after) > len(found) and opened.console == []


def test_browser_joins_profiles_by_layer(browse, three):
    opened = browse("three", "#all=1&r=2&n=1&q=down_blocks.0.resnets.0.conv1")
    (row,) = opened.rows()
    times = [p.table.set_index("layer").latency_ms["down_blocks.0.resnets.0.conv1"] for p in three]
    assert [float(row[i]) for i in (4, 5, 6)] == pytest.approx(times, abs=1e-3)
    assert float(row[7]) == pytest.approx(times[2] / times[0], abs=0.01)
    assert "tiny@host-torch ÷ base@host" in opened.dom and row[8] == "9.00 M"
    (row,) = browse("three", "#all=1&n=1&q=down_blocks.1.resnets.0.conv1").rows()
    assert row[4] != "not there" and row[5:8] == ["not there", "not there", "–"] and row[8] == "–"


def test_browser_sorting_by_click_is_kept_in_the_address(browse):
    opened = browse("one")
    opened.run("""document.querySelector('#layer-table [data-key="macs"]').click()""")
    assert {"sort=macs", "dir=desc"} <= set(opened.run("location.hash").lstrip("#").split("&"))
    assert opened.rows()[0][2] == "Conv" and re.search(r'aria-sort="descending"><button[^>]*>MACs', opened.dom)


def test_browser_opens_the_machine_and_survives_nonsense(browse):
    opened = browse("one", "#c=moon&v=evil&sort=%3Cimg%3E&r=-1&n=99")
    opened.run("document.getElementById('open-machine').click()")
    assert len(opened.rows()) > 10 and opened.console == []
    assert re.search(r'<dialog id="machine"[^>]* open', opened.dom) and "test processor" in opened.dom


@pytest.mark.parametrize(("scheme", "ground"), [("dark", (21, 23, 26)), ("light", (255, 255, 255))])
@pytest.mark.parametrize(("which", "width"), [("one", 390), ("three", 1280)])
def test_browser_dark_and_light(browse, scheme, ground, which, width):
    from PIL import Image

    shown = browse(which, width=width, prefers_color_scheme=scheme)
    picture = Image.open(io.BytesIO(shown.png())).convert("RGB")
    assert picture.size == (width, 900) and picture.getpixel((2, 2)) == ground
    assert len(picture.getcolors(1 << 24)) > 300


def test_profile_prints_in_order_and_nothing_over_another(browse):
    opened = browse("three")
    text, overlaps = printed(opened.pdf())
    titles = opened.run("[...document.querySelectorAll('main h2')].map((title) => title.textContent)")
    places = [text.index(f"{title}\n") for title in titles]
    assert overlaps == [] and places == sorted(places)
    assert f"{len(opened.rows()) - 20} more rows are on the page." in text and "test processor" in text
