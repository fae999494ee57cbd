"""The verb: its percentages, its exit codes, its output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workbench.cli.compare import share_of
from workbench.cli.main import app
from workbench.errors import InputError

UNET = {"latency_ms": {"median": 10.0, "n": 30, "samples": [10.0, 10.1, 9.9] * 10}, "layer_samples_ms": {"conv": []}}


def stored(folder: Path, name: str, factor: float) -> str:
    slower = {**UNET, "latency_ms": {"median": 10.0 * factor, "n": 30, "samples": [10 * factor, 10.1 * factor] * 15}}
    noise = {"steal_share": 0.0, "others_share": 0.0}
    summary = {"schema_version": 2, "candidate": name, "target": "host", "components": {"unet": slower}, "noise": noise}
    (folder / f"{name}@host.json").write_text(json.dumps(summary))
    (folder / f"{name}@host.csv").write_text("component,layer,latency_ms\nunet,conv,1\n")
    return str(folder / f"{name}@host.json")


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("2.5 %", 0.025), (" 0% ", 0.0), ("150%", 1.5)])
def test_a_percentage_is_read(text: str, share: float) -> None:
    assert share_of(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("5", "--fail-above: found '5'; needs a percentage\n  hint: did you mean 5%?"),
        ("0.05", "--fail-above: found '0.05'; needs a percentage\n  hint: did you mean 0.05%?"),
        ("five", "--fail-above: found 'five'; needs a percentage\n  hint: such as 5%"),
        ("-3%", "--fail-above: found '-3%'; needs a percentage from 0 to 10,000, such as 5%"),
        ("nan%", "--fail-above: found 'nan%'; needs a percentage from 0 to 10,000, such as 5%"),
        ("inf%", "--fail-above: found 'inf%'; needs a percentage from 0 to 10,000, such as 5%"),
        ("1e400%", "--fail-above: found '1e400%'; needs a percentage from 0 to 10,000, such as 5%"),
        ("5 %%", "--fail-above: found '5 %%'; needs a percentage from 0 to 10,000, such as 5%"),
        ("%", "--fail-above: found '%'; needs a percentage from 0 to 10,000, such as 5%"),
    ],
)
def test_anything_else_is_refused_with_a_word(text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        share_of(text)
    assert str(error.value) == told


def test_a_regression_ends_with_1_and_one_sentence_after_the_table(tmp_path: Path) -> None:
    a, b = stored(tmp_path, "a", 1.0), stored(tmp_path, "b", 1.3)
    done = CliRunner().invoke(app, ["compare", a, b, "--fail-above", "5%", "--out", str(tmp_path / "out")])
    assert done.exit_code == 1, done.output
    assert done.stderr.startswith("error: regression: B is slower than A beyond the limit of 5.0 %: unet +30.")
    assert len(done.stderr.splitlines()) == 1 and "unet: B is 30." in done.stdout
    assert (tmp_path / "out/compare.html").is_file() and (tmp_path / "out/compare.json").is_file()
    assert CliRunner().invoke(app, ["compare", a, b, "--fail-above", "40%"]).exit_code == 0
    assert CliRunner().invoke(app, ["compare", b, a, "--fail-above", "5%"]).exit_code == 0, "faster is no regression"


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    a, b = stored(tmp_path, "a", 1.0), stored(tmp_path, "b", 1.0)
    done = CliRunner().invoke(app, ["compare", a, b, "--json"])
    told = json.loads(done.stdout)
    assert told["schema_version"] == 1 and told["components"]["unet"]["outcome"] == "no difference"
    assert done.exit_code == 0 and told["regressions"] is None and told["files"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.onnx", "nowhere.onnx"], "nowhere.onnx"),
        (["a@host.json", "b@host.json"], "a@host.json: no such file"),
        (["demo", "demo", "--runtime", "onnxruntme"], "did you mean onnxruntime?"),
        (["demo", "demo", "--fail-above", "5"], "did you mean 5%?"),
    ],
)
def test_bad_input_is_one_error_and_exit_2(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["compare", *arguments, "--store", str(tmp_path / "store")])
    assert done.exit_code == 2 and told in done.stderr and done.stderr.startswith("error: ")
