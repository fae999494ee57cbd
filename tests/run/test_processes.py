"""A recipe run by processes that were started together: they train as one, and one of them does the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fixtures.command import environment, process
from workbench.models.record import read_record
from workbench.models.unet import load_unet
from workbench.store.store import Store

RECIPE = """
version: 1
name: together
model: {model}
data_sets:
  - {{name: own, from: data}}
steps:
  - distill: {{steps: 3, batch: 4, precision: fp32, weights: {{task: 1.0, output: 1.0, feature: 0.0}}}}
  - distill_consistency: {{steps: 2, batch: 4, precision: fp32, teacher: base, data: own}}
evaluate: {{pictures: 2, steps: 1, few_steps: [1], samples: 1, shown: 2}}
profile: {{targets: [host], runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}}
rank: {{maximize: speed}}
"""


TOGETHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def ran(place: Path, launcher: list[str]) -> list:
    command = [sys.executable, *launcher, "-m", "workbench.cli.main", "run", "together.yaml", "--store", "store"]
    done = process(command, cwd=place, env=environment(OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES=""))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("report: ") == 1, "one process reports"
    return read_record(Store(place / "store"), "together").candidates


@pytest.mark.long
def test_two_processes_train_what_one_would_and_leave_one_report(tiny, tmp_path):
    found = []
    for name, launcher in (("alone", []), ("both", TOGETHER)):
        place = tmp_path / name
        place.mkdir()
        (place / "together.yaml").write_text(RECIPE.format(model=tiny.source))
        found.append(ran(place, launcher))
        assert (place / "reports" / "together.html").is_file()
    for alone, both in zip(*found, strict=True):
        assert (alone.name, alone.key) == (both.name, both.key), "how many trained is no part of a result's key"
        mine, theirs = (load_unet(c.components["unet"].path).state_dict() for c in (alone, both))
        assert all(mine[name].allclose(theirs[name], atol=1e-4) for name in mine)
