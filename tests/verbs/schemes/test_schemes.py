"""The table of schemes: measured in every cell, the committed one among them, and never ended by one cell's failure."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import Result

from tests import ROOT
from tests.fixtures import command, tiny_pipeline
from workbench.models.families.stable_diffusion.policies import POLICIES
from workbench.models.schemes import SCHEMES
from workbench.models.sources import demo_folder
from workbench.store.store import Store

PAGE = ROOT / "docs" / "schemes.md"
QUICK = ("--iterations", "3", "--min-seconds", "0", "--threads", "1", "--json")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a small pipeline; its U-Net is wide enough for weights to be most of its file."""
    place = tmp_path_factory.mktemp("schemes")
    tiny_pipeline.make(place / "small", demo_folder(), widths=(48, 96))
    return place


def workbench(place: Path, *arguments: str) -> Result:
    return command.workbench("schemes", *arguments, "--store", str(place / "store"), cwd=place)


@pytest.fixture(scope="module")
def table(place) -> dict:
    done = workbench(place, "--model", "small", *QUICK)
    assert done.exit_code == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def label(cell: dict) -> tuple[str, str, str]:
    backend = ", ".join([cell["backend"], *(f"{key}: {value}" for key, value in cell["settings"].items())])
    return cell["scheme"], backend, cell["runtime"]


def committed() -> dict[tuple[str, str, str], dict[str, str]]:
    """The page's table: one row per cell, by scheme, backend and runtime."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    start = next(i for i, line in enumerate(lines) if line.startswith("| scheme | backend | runtime |"))
    names, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:]]
    found = {}
    for row in rows[1:]:
        if len(row) != len(names):
            break
        told = dict(zip(names, row, strict=True))
        for runtime in told["runtime"].split(", "):
            found[told["scheme"], told["backend"], runtime] = told
    return found


@pytest.mark.long
def test_the_page_says_of_every_cell_what_a_run_says(table):
    page, cells = committed(), {label(cell): cell for cell in table["cells"]}
    assert page.keys() == cells.keys(), "run: workbench schemes --markdown, and put the table into the page"
    for where, cell in cells.items():
        told = page[where]
        possible = cell["outcome"] != "not possible"
        assert (told["outcome"] != "not possible") == possible, where
        assert (told["outcome"] == "simulated") == (cell.get("simulated") is True), where
        if not possible:
            assert told["note"] == cell["note"], where
            continue
        # Exempt layers and the graph itself weigh more in the smaller network.
        least = SCHEMES[where[0]].weight_bits / 32
        assert least <= float(told["size ÷ fp32"]) <= cell["size_ratio"] + 0.02, where
        if where[0] == "w8a8":  # elsewhere it is the runtime's choice on each CPU
            assert (told["integer MACs"] != "0 %") == (cell["integer_macs_share"] > 0), where


@pytest.mark.long
def test_every_measured_cell_has_its_figures_and_their_spread(table):
    measured = [cell for cell in table["cells"] if cell["outcome"] != "not possible"]
    assert len(measured) >= 14 and {cell["scheme"] for cell in measured} == {"w8a8", "w8a16", "w4a16", "w4a8", "fp16"}
    for cell in measured:
        assert cell["outcome"] in {"accelerated", "simulated", "storage only", "no gain", "unsettled"}, cell["sentence"]
        for side in (cell, cell["float"]):
            assert side["latency_ms"]["n"] >= 3 and side["latency_ms"]["iqr"] >= 0 and side["load_cold_ms"] > 0
        assert cell["time_ratio"]["low"] <= cell["time_ratio"]["value"] <= cell["time_ratio"]["high"]
        assert cell["times_faster"] == pytest.approx(1 / cell["time_ratio"]["value"])
        assert cell["sqnr_db"]["mean"] > 5 and cell["sqnr_db"]["n"] == 16
        assert (cell["outcome"] == "simulated") == cell["simulated"]
    by = {label(cell): cell for cell in measured}
    assert by["w8a8", "onnxruntime", "onnxruntime"]["integer_macs_share"] > 0.5
    assert by["w8a16", "onnxruntime", "onnxruntime"]["simulated"]
    sizes = [by[scheme, "onnxruntime", "onnxruntime"]["size_bytes"] for scheme in ("w4a16", "w8a16", "fp16")]
    assert sizes == sorted(sizes)
    assert table["seed"] == 0 and table["environment"]["libraries"]["onnxruntime"]


@pytest.mark.long
def test_a_second_call_measures_nothing(place, table):
    results = place / "store" / "results"
    before = {file: file.stat().st_mtime_ns for file in results.glob("*/result.json")}
    done = workbench(place, "--model", "small", *QUICK)
    assert json.loads(done.stdout)["cells"] == table["cells"]
    assert {file: file.stat().st_mtime_ns for file in results.glob("*/result.json")} == before


@pytest.mark.long
def test_a_file_that_a_runtime_cannot_read_costs_its_own_cells_only(place, table, tmp_path):
    shutil.copytree(place / "store", tmp_path / "store")
    shutil.copytree(place / "small", tmp_path / "small")
    (made,) = [
        file.parent
        for file in (tmp_path / "store" / "results").glob("*/result.json")
        if json.loads(file.read_text())["result"].get("report", {}).get("scheme") == "fp16"
    ]
    report = json.loads((made / "result.json").read_text())["result"]
    shutil.rmtree(made)

    def work(out):
        (out / "unet").mkdir()
        (out / "unet" / "model.onnx").write_bytes(b"no model")
        return report

    Store(tmp_path / "store").compute(made.name, work)
    for keep in (True, False):
        asked = ("--only", "fp16,w4a8") if keep else ("--only", "fp16,w4a8", "--rerun")
        done = workbench(tmp_path, "--model", "small", *QUICK, *asked)
        assert done.exit_code == 0, done.stderr[-2000:]
        cells = {label(cell): cell for cell in json.loads(done.stdout)["cells"]}
        broken = cells["fp16", "onnxruntime", "onnxruntime"]
        assert (broken["outcome"] == "not possible") != keep
        assert cells["w4a8", "onnxruntime", "onnxruntime"]["outcome"] == "simulated"
    assert "can't load it" in broken["note"] and str(tmp_path) not in broken["note"]


def test_plain_output_is_one_line_per_row_and_names_the_machine(tiny, exports, shared, tmp_path):
    shared.given_to(tmp_path / "store")
    done = workbench(tmp_path, "--model", str(tiny.source), *QUICK[:-1], "--only", "w8a16")
    lines = done.stdout.splitlines()
    assert re.split(r" {2,}", lines[0])[:4] == ["scheme", "backend", "runtime", "outcome"]
    assert [line.split()[0] for line in lines[1:6]] == ["w8a16"] * 5
    assert "which can't make w8a16" in lines[4] and "n ≥ 3" in done.stdout and "QAT leaves" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--only", "w8a9"), "did you mean w8a8?"),
        (("--only", ","), "needs schemes, such as w8a8,w4a16"),
        (("--prompts", "none.txt"), "no such file"),
        (("--model", "nowhere"), "no such folder"),
        (("--threads", "4096"), "this process may use"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message(place, arguments, told):
    done = workbench(place, *arguments)
    assert done.exit_code == 2 and told in done.stderr


def test_a_model_without_captions_asks_for_prompts(place, tmp_path):
    shutil.copytree(place / "small", tmp_path / "bare", ignore=shutil.ignore_patterns("data"))
    done = workbench(tmp_path, "--model", "bare")
    assert done.exit_code == 2 and "--prompts FILE" in done.stderr
    (tmp_path / "empty.txt").write_text("\n")
    done = workbench(tmp_path, "--model", "bare", "--prompts", "empty.txt")
    assert done.exit_code == 2 and "which is empty" in done.stderr


@pytest.mark.long
def test_the_page_explains_every_word_scheme_and_policy(table):
    text = PAGE.read_text()
    for outcome in {cell["outcome"] for cell in table["cells"]}:
        assert f"| {outcome} |" in text
    for scheme in {cell["scheme"] for cell in table["cells"]}:
        assert f"| `{scheme}` |" in text
    for name, policy in POLICIES.items():
        assert f"`{name}`" in text
        assert set(re.findall(r"arXiv (\d{4}\.\d{5})", policy.source)) <= set(re.findall(r"arXiv (\d{4}\.\d{5})", text))
