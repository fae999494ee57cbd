"""CMMD: the formula of the paper, and an interval about it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.asked.folders import clip_folder, pictures, told, write_pictures
from workbench.metrics.asked import cmmd
from workbench.metrics.asked.cmmd import Cmmd
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.clip import batches, clip


def direct(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a, b):
        return np.mean([[np.exp(-(((p - q) ** 2).sum()) / 200) for q in b] for p in a])

    x, y = x.astype(np.float64), y.astype(np.float64)
    return 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))


def test_the_distance_is_the_papers_for_pictures_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cmmd, "_BLOCK", 7)
    model, real, own = clip_folder(tmp_path / "clip"), pictures(18, seed=1), pictures(20) // 2
    config = Cmmd(model=str(model), reference=str(write_pictures(tmp_path / "real", real)))
    assert told(config) == []
    metric = config.metric("cmmd")
    found = metric.measure(Drawn(own))
    vectors = [clip(str(model)).images(batches(rows)) for rows in (own, real)]
    assert found["value"] == pytest.approx(direct(*vectors), rel=1e-6) and found["value"] > 0
    assert found["low"] < found["value"] < found["high"] and (found["n"], found["against"]) == (20, 18)
    assert metric.protocol == "clip at 32 px, to 18 pictures" and metric.better == "low"
    same = metric.measure(Drawn(real))
    assert same["value"] == pytest.approx(0, abs=1e-9)

    write_pictures(tmp_path / "real" / "more", pictures(2, seed=5))
    assert metric.measure(Drawn(real))["against"] == 20, "what was read of the folder before isn't taken for it"


@pytest.mark.parametrize(
    ("count", "says"), [(0, "found 0 pictures"), (15, "needs at least 16"), (None, "no such folder")]
)
def test_a_reference_without_pictures_is_refused(tmp_path, count, says):
    folder = tmp_path / "real"
    if count is not None:
        write_pictures(folder, pictures(count) if count else np.zeros((0, 8, 8, 3), np.uint8))
    problems = told(Cmmd(model=str(tmp_path / "none"), reference=str(folder)))
    assert len(problems) == 2 and problems[0].startswith("model: ")
    assert problems[1].startswith("reference: ") and says in problems[1]
