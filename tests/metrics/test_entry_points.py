"""Metrics that installed packages bring: they are there like our own, and one that can't be used is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.fixtures.command import environment, process

SHOW = """
from workbench.errors import WorkbenchError
from workbench.metrics.registry import metrics
try:
    found = metrics()["green"]
    print(found.label, found.about, [file.name for file in found.files])
except WorkbenchError as error:
    print(error.line)
"""
GREEN = """
from workbench.metrics.base import Metric, Sample
def compute(drawn):
    return Sample(drawn.pictures[..., 1].mean(axis=(1, 2)) / 255)
METRIC = Metric(name="NAME", label="greenness", unit="share", better="high", order=200, compute=compute)
"""


def said(tmp_path: Path, module: str) -> str:
    info = tmp_path / "greenness-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greenness\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[workbench.metrics]\ngreen = greenness:METRIC\n")
    (tmp_path / "greenness.py").write_text(module)
    return process(
        [sys.executable, "-c", SHOW], tmp_path, env=environment(PYTHONPATH=f"{tmp_path}:{ROOT}")
    ).stdout.strip()


def test_a_packages_metric_is_there_and_its_version_and_code_are_part_of_its_values(tmp_path):
    told = said(tmp_path, GREEN.replace("NAME", "green"))
    assert told == "greenness {'package': ['greenness', '1.2']} ['greenness.py']"


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (GREEN.replace("NAME", "ssim"), "there is a metric ssim already; uninstall one of them"),
        ("METRIC = 3", "greenness:METRIC is no workbench.metrics.base.Metric"),
        ("import not_there", "can't be loaded (No module named 'not_there')"),
    ],
)
def test_one_that_can_not_be_used_is_named_with_its_package(tmp_path, module, told):
    assert said(tmp_path, module) == f"metric green of the package greenness: {told}"
