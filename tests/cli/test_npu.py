"""The verb: its table and JSON, that it times nothing, and what is wrong before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.qnn import needs_qnn
from workbench.npu import extra
from workbench.store.store import Store


def invoke(tmp_path: Path, *words: str):
    return workbench("npu", *words, "--store", str(tmp_path / "store"))


def test_an_unknown_chip_is_told_first_with_the_nearest(tmp_path):
    done = invoke(tmp_path, "demo", "--soc", "SM8651")
    assert done.exit_code == 2 and "--soc SM8651: no such chip; did you mean SM8650?" in done.stderr
    assert not (tmp_path / "store").exists()


def test_without_the_extra_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr(extra, "DISTRIBUTION", "onnxruntime-qnn-that-is-nowhere")
    done = invoke(tmp_path, "demo")
    assert done.exit_code == 2 and f'hint: pip install "{extra.REQUIREMENT}"' in done.stderr
    assert not (tmp_path / "store").exists()


@needs_qnn
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("demos",), "did you mean demo?"),
        (("demo", "--component", "unit"), "--component unit: no such component; did you mean unet?"),
        (("demo", "--shape", "sample=2"), "--shape sample=2: doesn't fit demo"),
    ],
)
def test_bad_input_is_told_in_one_message(tmp_path, words, told):
    done = invoke(tmp_path, *words)
    assert done.exit_code == 2 and told in done.stderr and "Traceback" not in done.stderr


@needs_qnn
def test_two_at_once_in_one_store_are_refused(tmp_path):
    with Store(tmp_path / "store").lock():
        done = invoke(tmp_path, "demo", "--component", "unet")
    assert done.exit_code == 2 and "another run is using this store" in done.stderr


@needs_qnn
def test_the_table_and_its_json_say_the_same_and_no_time(tmp_path, tiny):
    shown = invoke(tmp_path, str(tiny.source), "--component", "unet")
    assert shown.exit_code == 0, shown.stderr
    _, row = shown.stdout.splitlines()[:2]
    assert "compiled, not timed" in shown.stdout and "SM8650 (Snapdragon 8 Gen 3, HTP v75)" in shown.stdout
    told = json.loads(invoke(tmp_path, str(tiny.source), "--component", "unet", "--json").stdout)
    assert (told["schema_version"], told["kind"], told["finalization_mode"]) == (1, "compiled, not timed", 2)
    unet = told["components"]["unet"]
    assert row.split()[1:6] == ["fp32", f"{unet['nodes']:,}", "1", "0", "0"]
    assert (len(unet["partitions"]), unet["nodes_off"], unet["failure"]) == (1, 0, None)
    assert not [key for key in unet if "latency" in key or key.endswith("_ms")]


@needs_qnn
def test_a_component_that_takes_too_long_is_told_and_the_exit_code_is_that_of_failed_work(tmp_path):
    done = invoke(tmp_path, "demo", "--component", "unet", "--timeout", "1")
    assert done.exit_code == 1 and "not compiled" in done.stdout
    assert "demo.unet: Qualcomm's compiler was ended after 1 s" in done.stderr
    (log,) = (tmp_path / "store").glob("work/*/log.txt")
    assert str(log) in done.stderr


@needs_qnn
def test_results_on_the_simulated_npu_are_told_per_timestep_beside_the_cpus(tmp_path, tiny):
    words = (str(tiny.source), "--component", "unet", "--sqnr", "--passes", "2")
    told = json.loads(invoke(tmp_path, *words, "--json").stdout)["components"]["unet"]["quality"]
    assert told["kind"].startswith("simulated") and told["unit"] == "dB" and told["diverges"] is None
    assert [one["label"] for one in told["passes"]] == ["timestep 999", "timestep 99"]
    assert all(one["cpu_db"] == 200 and one["npu_db"] == one["npu_cpu_db"] > 30 for one in told["passes"])
    shown = invoke(tmp_path, *words).stdout
    (row,) = [line.split() for line in shown.splitlines() if line.startswith("timestep 999")]
    assert row[2:] == [f"{told['passes'][0]['npu_db']:.1f}", "equal", f"{told['passes'][0]['npu_cpu_db']:.1f}"]
    assert "simulated: " in shown and "compiled, not timed" in shown
