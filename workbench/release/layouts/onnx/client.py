"""Draws with optimum's pipeline on ONNX Runtime, and nothing of workbench."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def pictures(folder: Path, drawings: Sequence[Any]) -> Iterator[Any]:
    """A picture float [H, W, 3] from 0 to 1 for each of the drawings."""
    import torch
    from optimum.onnxruntime import ORTDiffusionPipeline

    pipeline = ORTDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    for drawing in drawings:
        yield pipeline(
            drawing.prompt,
            num_inference_steps=drawing.steps,
            guidance_scale=drawing.guidance_scale,
            latents=torch.from_numpy(drawing.noise),
            generator=torch.Generator().manual_seed(drawing.later_seed),
            output_type="np",
        ).images[0]
