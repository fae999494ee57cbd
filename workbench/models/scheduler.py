"""The scheduler of a pipeline folder, whichever class of diffusers it names."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError

if TYPE_CHECKING:
    import torch


FEW = "LCMScheduler"
"""What draws in few steps: every step but the last jumps to a clean latent and adds new noise (arXiv 2310.04378)."""


def load_scheduler(source: Path, steps: int, few: bool = False) -> Any:
    """The scheduler that ``source/scheduler`` describes, set to ``steps`` denoising steps.

    ``few``: for a denoiser that was distilled to few steps; noise levels and prediction type stay the pipeline's, the
    timesteps are taken from the grid of 50 on which it was trained.

    Raises:
        InputError: more steps than that grid has points.
    """
    import diffusers

    folder = source / "scheduler"
    name = FEW if few else json.loads((folder / "scheduler_config.json").read_text())["_class_name"]
    scheduler = getattr(diffusers, name).from_pretrained(folder, local_files_only=True)
    most = scheduler.config.original_inference_steps if few else steps
    if steps > most:
        raise InputError(f"steps: found {steps} for a denoiser that was distilled to few steps; needs at most {most}")
    scheduler.set_timesteps(steps)
    return scheduler


def noises(seed: int, indices: Sequence[int]) -> list[torch.Generator]:
    """Where each picture's noise between steps comes from: its own seed, however many are drawn with it."""
    import numpy as np
    import torch

    seeds = [np.random.default_rng([seed, index, 1]).integers(2**63) for index in indices]
    return [torch.Generator().manual_seed(int(one)) for one in seeds]


def previous(scheduler: Any, output: Any, t: Any, latent: Any, generator: Sequence[torch.Generator]) -> Any:
    """One step towards the pictures; a scheduler that adds noise draws each one's from its own ``generator``."""
    extra = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    return scheduler.step(output, t, latent, **extra).prev_sample
