"""Draws with diffusers, and nothing of workbench."""

from __future__ import annotations

import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def pictures(folder: Path, drawings: Sequence[Any]) -> Iterator[Any]:
    """A picture float [H, W, 3] from 0 to 1 for each of the drawings."""
    import torch

    pipeline = _pipeline(folder)
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


def _pipeline(folder: Path) -> Any:
    if (folder / "unet" / "widths.json").is_file():
        # The loader that lies in the folder is a copy of this one; code that others may have changed isn't run.
        return runpy.run_path(str(Path(__file__).parents[3] / "models" / "widths" / "load_pruned.py"))["load"](folder)
    import torch
    from diffusers import DiffusionPipeline

    return DiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, local_files_only=True)
