"""The scheduler of a pipeline folder, set up as diffusers' own pipeline sets it up."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models.read_json import read_object
from workbench.models.scheduler_config import FEW, steps_problem

if TYPE_CHECKING:
    import torch

FOLDER, FILE = "scheduler", "scheduler_config.json"
_AS_PIPELINE: Mapping[str, Any] = {"steps_offset": 1, "clip_sample": False}
"""What ``StableDiffusionPipeline`` sets whatever the folder says: old files lack them, and the defaults are wrong."""


def read_scheduler(source: Path) -> dict[str, Any]:
    """The scheduler's config in the pipeline folder ``source``; empty where the family has no scheduler.

    Raises:
        InputError: it can't be read.
    """
    folder = source / FOLDER
    return read_object(folder / FILE) if folder.is_dir() else {}


def load_scheduler(config: Mapping[str, Any], steps: int, few: bool = False) -> Any:
    """The scheduler of a config, set to ``steps`` denoising steps.

    ``few``: for a denoiser that was distilled to few steps; noise levels and prediction type stay the pipeline's, the
    timesteps are taken from the grid of 50 on which it was trained.

    Raises:
        InputError: it can't make that number of steps.
    """
    import diffusers

    if wrong := steps_problem(config, steps, few):
        raise InputError(f"steps: {wrong}")
    kind = getattr(diffusers, FEW if few else config["_class_name"])
    taken = {} if few else {k: v for k, v in _AS_PIPELINE.items() if k in inspect.signature(kind).parameters}
    try:
        scheduler = kind.from_config(dict(config), **taken)
        scheduler.set_timesteps(steps)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(f"steps: found {steps}, which {kind.__name__} can't make ({error})") from None
    return scheduler


def timesteps(config: Mapping[str, Any], steps: int, few: bool = False) -> list[float]:
    """The timesteps at which the denoiser is run for a picture of ``steps`` steps: as many as the scheduler makes.

    Some make more than one in a step (PNDM n + 1 in all, Heun and KDPM2 2 n - 1). Without a scheduler, one a step.
    """
    return [t.item() for t in load_scheduler(config, steps, few).timesteps] if config else [0.0] * steps


def noises(seed: int, indices: Sequence[int]) -> list[torch.Generator]:
    """Where each picture's noise between steps comes from: its own seed, however many are drawn with it."""
    import numpy as np
    import torch

    seeds = [np.random.default_rng([seed, index, 1]).integers(2**63) for index in indices]
    return [torch.Generator().manual_seed(int(one)) for one in seeds]


def previous(scheduler: Any, output: Any, t: Any, latent: Any, generator: Sequence[torch.Generator]) -> Any:
    """One step towards the pictures; a scheduler that adds noise draws each one's from its own ``generator``."""
    takes = inspect.signature(scheduler.step).parameters
    extra = {name: value for name, value in {"generator": generator, "eta": 0.0}.items() if name in takes}
    return scheduler.step(output, t, latent, **extra).prev_sample
