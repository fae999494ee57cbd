"""Whatever a recipe holds, ``check`` ends within seconds and says where the fault lies."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from tests.fixtures.command import workbench

MOST_S = 5.0
STEPS = "steps:\n" + "".join(f"  - remove_blocks: {{layout: bk-tiny, candidate: c{i}}}\n" for i in range(1500))
PATTERNS = "steps: [prune: {ratio: 0.3, exempt: %s}]\n"
HOSTILE = {
    "digits": "seed: " + "9" * 90_000,
    "steps": STEPS,
    "keys": "\n".join(f"key{i}: 1" for i in range(5000)),
    "wrong_items": "evaluate: {timesteps: [" + "x, " * 20_000 + "]}",
    "brackets": "evaluate: " + "[" * 90_000,
    "dashes": "evaluate:\n  " + "- " * 40_000,
    "flow": "evaluate: " + "{a: " * 20_000,
    "anchors": "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "long_text": "description: " + "x" * 90_000 + "\nseed: x",
    "long_key": "x" * 90_000 + ": 1",
    "spaces": "evaluate:" + " " * 90_000 + "x",
    "quotes": "name: " + "'" * 90_000,
    "published": "published: [{title: a, source: b, score: c, values: {"
    + ", ".join(f"name{i}: 1" for i in range(90))
    + "}}]",
    "patterns": PATTERNS % ["(x+x+)+y", *["(?=(.*.*.*.*.*)[A-Z])"] * 29],
    "path": "data: " + "a/" * 40_000,
    "nul": 'data: "a\\0b"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_recipe_is_refused_in_seconds_with_its_lines(name: str, tmp_path: Path) -> None:
    head = "version: 1\nmodel: demo\n" + ("" if name == "quotes" else "name: x\n")
    (tmp_path / "r.yaml").write_text(head + HOSTILE[name] + "\n")
    start = time.process_time()
    done = workbench("check", "r.yaml", cwd=tmp_path)

    assert time.process_time() - start < MOST_S
    assert done.exit_code == 2
    lines = done.stderr.removeprefix("error: ").splitlines()
    assert len(lines) <= 21
    assert all(re.match(r"r\.yaml:\d+: |r\.yaml: and \d+ more", line) and len(line) < 500 for line in lines), lines


@pytest.mark.parametrize(
    "override", ["a." * 5000 + "b=1", "seed=" + "9" * 100_000, "evaluate.pictures=" + "[" * 50_000]
)
def test_a_hostile_override_is_refused_too(override: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\n")
    done = workbench("check", "r.yaml", "--set", override, cwd=tmp_path)
    assert (done.exit_code, done.stderr[:12]) == (2, "error: --set")
    assert len(done.stderr) < 500


@pytest.mark.parametrize(
    "key",
    ["evaluate: {{prompts: {}}}", "steps: [quantize: {{calibration: {{prompts_from: {}}}}}]", "model: {}", "data: {}"],
)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    model = "" if key.startswith("model") else "model: demo\n"
    (tmp_path / "r.yaml").write_text(f"version: 1\nname: x\n{model}{key.format('pipe')}\n")
    done = workbench("check", "r.yaml", cwd=tmp_path)
    assert (done.exit_code, done.stderr[:14]) == (2, "error: r.yaml:")
    os.mkfifo(tmp_path / "p.yaml")
    assert workbench("check", "p.yaml", cwd=tmp_path).exit_code == 2
