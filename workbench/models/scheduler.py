"""The scheduler of a pipeline folder, whichever class of diffusers it names."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


FEW = "LCMScheduler"
"""What draws in few steps: every step but the last jumps to a clean latent and adds noise anew (arXiv 2310.04378)."""


def load_scheduler(source: Path, steps: int, few: bool = False) -> Any:
    """The scheduler that ``source/scheduler`` describes, set to ``steps`` denoising steps.

    ``few``: for a denoiser that was distilled to few steps; noise levels and prediction type stay the pipeline's.
    """
    import diffusers

    folder = source / "scheduler"
    name = FEW if few else json.loads((folder / "scheduler_config.json").read_text())["_class_name"]
    scheduler = getattr(diffusers, name).from_pretrained(folder, local_files_only=True)
    scheduler.set_timesteps(steps)
    return scheduler


def previous(scheduler: Any, output: Any, t: Any, latent: Any, generator: torch.Generator) -> Any:
    """One step towards the picture; a scheduler that adds noise of its own draws it from ``generator``."""
    extra = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    return scheduler.step(output, t, latent, **extra).prev_sample
