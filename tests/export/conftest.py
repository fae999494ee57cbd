"""A tiny pipeline and its exports."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_pipeline

from workbench.export.onnx import export_component
from workbench.models.candidate import COMPONENTS, Candidate
from workbench.models.sources import demo_folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    """A pipeline of a few hundred thousand random weights."""
    return tiny_pipeline.make(tmp_path_factory.mktemp("tiny"), demo_folder())


@pytest.fixture(scope="session")
def exports(tiny: Candidate, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict]]:
    """Component to its file and report."""
    out = tmp_path_factory.mktemp("exports")
    return {name: (out / name / "model.onnx", export_component(tiny, name, out / name)) for name in COMPONENTS}
