"""Draws with optimum's pipeline on ONNX Runtime, and nothing of workbench."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def pipeline(folder: Path) -> Any:
    """The pipeline of a shipped folder."""
    from optimum.onnxruntime import ORTDiffusionPipeline

    return ORTDiffusionPipeline.from_pretrained(folder, local_files_only=True)
