"""Stored profiles read back: current and older ones, and one sentence about each file that is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import InputError
from workbench.measure.layers import COLUMNS
from workbench.profile.read import read_profile
from workbench.profile.summary import SCHEMA_VERSION

OLD_COLUMNS = COLUMNS[:15]


def summary(version: int = SCHEMA_VERSION) -> dict[str, Any]:
    time = {"median": 1.5, "p90": 1.6, "iqr": 0.1, "min": 1.4, "n": 30, "drift": 0.0, "unit": "ms"}
    unet: dict[str, Any] = {"latency_ms": time, "op_ms": {"Conv": 1.2}, "unmapped_share": 0.0}
    if version > 1:
        unet |= {"events": [["conv_in/Conv", "conv_in", "Conv", 3, 900.5]], "layer_samples_ms": {"conv_in": [0.9]}}
        unet |= {"transitions": [], "live_peak_bytes": 640, "live_peak_at": "conv_in"}
    return {"schema_version": version, "candidate": "base", "target": "host", "components": {"unet": unet}}


def write(folder: Path, told: Any, columns: tuple[str, ...] = COLUMNS, name: str = "base@host") -> Path:
    values = {"component": "unet", "layer": "conv_in", "op": "Conv", "scheme": "fp32", "fused_into": ""}
    row = [values.get(c, "0.9" if c == "latency_ms" else "7") for c in columns]
    empty = ["unet" if c == "component" else "(runtime)" if c == "layer" else "" for c in columns]
    rows = [",".join(columns), ",".join(row), ",".join(empty)]
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    path = folder / f"{name}.json"
    path.write_text(told if isinstance(told, str) else json.dumps(told))
    return path


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_profile(path)
    assert "\n" not in caught.value.message and caught.value.message.startswith(str(path.parent))
    return caught.value


def test_a_profile_is_read_whole_by_either_of_its_files(tmp_path):
    path = write(tmp_path, summary())
    for file in (path, path.with_suffix(".csv")):
        read = read_profile(file)
        assert read.label == "base@host" and read.notes == ()
        assert read.summary == summary() | {"warnings": []}
        assert tuple(read.table.columns) == COLUMNS
        conv, runtime = read.table.to_dict("records")
        assert conv["latency_ms"] == 0.9 and conv["macs"] == 7 and str(read.table["macs"].dtype) == "Int64"
        assert runtime["layer"] == "(runtime)" and read.table["macs"].isna().tolist() == [False, True]


def test_a_profile_of_version_1_is_read_and_says_what_it_lacks(tmp_path):
    read = read_profile(write(tmp_path, summary(1), OLD_COLUMNS))
    assert len(read.notes) == 1 and "schema version 1" in read.notes[0] and "kernel events" in read.notes[0]
    unet = read.summary["components"]["unet"]
    assert (unet["events"], unet["layer_samples_ms"], unet["transitions"], unet["live_peak_bytes"]) == (
        [],
        {},
        [],
        None,
    )
    assert unet["latency_ms"]["median"] == 1.5
    assert tuple(read.table.columns) == COLUMNS and read.table["fused_into"].isna().all()


def test_a_newer_profile_is_refused_with_what_to_do(tmp_path):
    error = refusal(write(tmp_path, summary() | {"schema_version": SCHEMA_VERSION + 1}))
    assert f"version {SCHEMA_VERSION + 1}" in error.message and "newer workbench" in str(error.hint)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("layer,latency_ms\nconv_in,0.9\n", "is not JSON"),
        (json.dumps(summary())[:-40], "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1, 2]", "not a profile of workbench"),
        ('{"traceEvents": []}', "not a profile of workbench"),
        (summary() | {"schema_version": "two"}, "schema_version: found 'two'"),
        (summary() | {"schema_version": True}, "schema_version: found True"),
        (summary() | {"schema_version": 0}, "schema_version: found 0"),
        (summary() | {"candidate": None}, "candidate and target"),
        (summary() | {"components": {}}, "at least one component"),
        (
            summary() | {"components": {"unet": {"latency_ms": 3.5}}},
            "components.unet.latency_ms: expected median and n",
        ),
        (summary() | {"components": {"vae_decoder": summary()["components"]["unet"]}}, "component unet is not in"),
    ],
)
def test_what_is_no_profile_is_said_in_one_sentence(tmp_path, told, expected):
    assert expected in refusal(write(tmp_path, told)).message


def test_a_table_without_its_columns_or_with_words_for_numbers_is_refused(tmp_path):
    assert "column latency_ms is missing" in refusal(write(tmp_path, summary(), ("component", "layer"))).message
    path = write(tmp_path, summary())
    table = path.with_suffix(".csv")
    table.write_text(table.read_text().replace(",0.9,", ",fast,"))
    assert "holds something else" in refusal(path).message
    table.write_text("")
    assert "can't be read as a table" in refusal(path).message
    table.unlink()
    assert "no such file" in refusal(path).message


def test_a_mistyped_name_and_a_folder_say_what_is_there(tmp_path):
    write(tmp_path, summary(), name="bk_tiny@host")
    assert refusal(tmp_path / "bk_tny@host.json").message.endswith("no such file; did you mean bk_tiny@host.json?")
    (tmp_path / "bk_tiny@host.trace.json").write_text("{}")
    error = refusal(tmp_path / ".")
    assert "is a folder" in error.message and error.hint == "profiles in it: bk_tiny@host.json"


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = write(tmp_path, summary())
    path.write_bytes(b"\x93NUMPY\xff\xfe")
    assert "is not JSON" in refusal(path).message


def test_a_device_in_place_of_a_profile_is_refused(tmp_path):
    (tmp_path / "pipe.json").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"pipe\.json: "):
        read_profile(tmp_path / "pipe.json")
