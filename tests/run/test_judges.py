"""A recipe for one's own folder: judged by likeness alone, and by a program of one's own, through the command line."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from workbench.models.candidate import Candidate

RECIPE = """
version: 1
name: mine
model: {model}
steps:
  - quantize: {{scheme: fp16}}
  - quantize: {{scheme: w4a16, from: base}}
evaluate:
  pictures: 4
  trained_pictures: 2
  steps: 2
  samples: 1
  shown: 2
{metrics}
profile: {{runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}}
{rank}
"""
GREEN = """
import json, sys
from pathlib import Path
from PIL import Image, ImageStat
*told, folder, prompts = sys.argv[1:]
rows = json.loads(Path(prompts).read_text())
assert told == ["--channel", "1"] and all(row["prompt"] for row in rows)
pictures = [Image.open(Path(folder) / row["picture"]) for row in rows]
print(json.dumps({"scores": [ImageStat.Stat(picture).mean[1] / 255 for picture in pictures]}))
"""
BY_GREEN = """  metrics:
    - command: {{name: green, program: {python}, script: score.py, arguments: [--channel, "1"], protocol: mean}}"""


@pytest.fixture
def own(tmp_path: Path, tiny: Candidate) -> Path:
    """A model's folder without a scorer, and a program that scores."""
    shutil.copytree(tiny.source, tmp_path / "own")
    shutil.rmtree(tmp_path / "own" / "scorer", ignore_errors=True)
    (tmp_path / "score.py").write_text(GREEN)
    return tmp_path


def ran(place: Path, metrics: str = "", rank: str = "") -> tuple[list[dict[str, str]], str, dict]:
    (place / "mine.yaml").write_text(RECIPE.format(model="own", metrics=metrics, rank=rank))
    done = workbench("run", "mine.yaml", "--store", "store", "--json", cwd=place)
    assert done.exit_code == 0, done.stderr[-2000:]
    with (place / "reports" / "mine.csv").open(newline="") as file:
        return list(csv.DictReader(file)), (place / "reports" / "mine.html").read_text(), json.loads(done.stdout)


def test_likeness_alone_ranks_and_chooses_and_a_program_of_ones_own_does_it_after(own):
    rows, page, told = ran(own)
    fp16, w4a16 = (float(row["perceptual"]) for row in rows[1:])
    assert not rows[0]["perceptual"] and fp16 > w4a16 and fp16 > 0.9
    assert told["quality"] == "perceptual" and told["chosen"]["candidate"] == "fp16"
    assert "The recipe names nothing to rank by; perceptual similarity is taken, no limits." in page
    assert "EfficientNet-Lite0" in page

    rows, page, told = ran(own, BY_GREEN.format(python=sys.executable), "rank: {maximize: green}")
    greenest = max(rows, key=lambda row: float(row["green"]))["candidate"]
    assert all(0 < float(row["green"]) < 1 for row in rows)
    reasons, chosen = {row["candidate"]: row["reason"] for row in rows}, told["chosen"]["candidate"]
    tie = f"as good in green as {chosen} within the noise"  # of a few pictures
    assert chosen == greenest or reasons[greenest].startswith(tie)
    assert "Asked for: best green, no limits." in page and "Green: mean." in page

    limit = (min(float(row["green"]) for row in rows) + max(float(row["green"]) for row in rows)) / 2
    rank = f"rank: {{maximize: speed, constraints: {{green_max: {limit:.6f}}}}}"
    _rows, page, told = ran(own, BY_GREEN.format(python=sys.executable), rank)
    assert float(told["chosen"]["green"]) <= limit and f"green ≤ {limit:.6g}" in page
