"""No verb breaks on its standard streams, whatever they are, and none starts work whose results it can't write."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.command import COMMAND, environment, process, workbench

BAD = "version: 1\nname: x\nmodel: demo\nseed: x\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "r.yaml").write_text(BAD)
    return tmp_path


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_went_away_changes_no_exit_code(stream: str, recipe: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    shown = process([*COMMAND, "schema"], capture_output=False, **streams)
    refused = process([*COMMAND, "check", "r.yaml"], cwd=recipe, capture_output=False, **streams)
    os.close(writer)
    assert (shown.returncode, refused.returncode) == (0, 2)
    assert "Traceback" not in f"{shown.stderr}{refused.stderr}"


@pytest.mark.parametrize("closed", ["0<&-", ">&-", "2>&-", "0<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(closed: str, recipe: Path) -> None:
    line = f'"$@" check r.yaml {closed}; a=$?; "$@" schema {closed} >schema.json; echo $a $?'
    done = process(["bash", "-c", line, "bash", *COMMAND], cwd=recipe)
    assert done.stdout == "2 0\n"
    assert "Traceback" not in done.stderr


def test_a_terminal_of_ascii_shows_other_characters_escaped(recipe: Path) -> None:
    (recipe / "r.yaml").write_text(BAD.replace("seed: x", "steps: [remove_blocks: {layout: bk-tiny}]"))
    done = process([*COMMAND, "check", "r.yaml"], cwd=recipe, env=environment(PYTHONIOENCODING="ascii"))
    told = [line for line in done.stderr.splitlines() if not line.startswith("  check: ")]
    assert (done.returncode, told) == (0, [])
    assert "base \\u2192 bk_tiny" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["profile", "demo", "--out", "file/x"],
        ["compare", "demo", "demo", "--out", "file/x"],
        ["sample", "r.yaml", "--candidate", "base", "--prompt", "x", "-o", "file/x.png"],
        ["tile", "demo", "--write", "file/x.onnx"],
        ["train-demo", "--pictures", ".", "--out", "file/x"],
        ["schemes", "--store", "file/store"],
        ["run", "r.yaml", "--out", "file"],
        ["check", "r.yaml", "--out", "file"],
        ["check", "r.yaml"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_folder_that_can_not_be_written_is_noticed_before_the_work(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\n")
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x").write_text("in the way")
    done = workbench(*arguments, cwd=tmp_path)
    assert done.exit_code == 2
    assert "can't write there" in done.stderr and "is not a folder" in done.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "profiles", "r.yaml"]


@pytest.mark.parametrize("verb", ["run", "compare", "devices", "tile"])
def test_help_has_a_short_name(verb: str) -> None:
    assert workbench(verb, "-h").stdout == workbench(verb, "--help").stdout


def test_a_shell_completes_verbs() -> None:
    asked = environment(_WORKBENCH_COMPLETE="complete_bash", COMP_WORDS="workbench ch", COMP_CWORD="1")
    assert process([*COMMAND], env=asked).stdout == "check\n"


def test_progress_of_json_output_goes_to_standard_error(tmp_path: Path) -> None:
    done = workbench("count", "demo", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["components"]
