"""Disk and memory that a run would take: upper bounds by stated factors, from headers and configs alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.models.families import family_of
from workbench.models.families.base import Part
from workbench.models.folder import MADE
from workbench.models.weights import count, tensors_of
from workbench.recipe.schema import Recipe, StepEntry

FP32 = 4
DISK_FACTOR: Mapping[str, float] = {"remove_blocks": 2, "prune": 2, "quantize": 3}
"""Times the fp32 denoiser: its weights and their ONNX export; quantize: also the model on which it calibrates."""
MEMORY_FACTOR: Mapping[str, float] = {"remove_blocks": 2, "prune": 4, "quantize": 4}
"""Times the fp32 denoiser: teacher and student; prune: also gradients and a copy. Activations come on top."""
TRAINING = 6.0
"""The same for steps that train: on disk the checkpoint (weights, two moments, average) besides, in memory gradient,
two moments, average."""
OTHER_STEP = 4.0
MADE_FOLDERS = 2.0  # of a model that isn't a folder as it lies there: itself, and with LoRAs
PIPELINE_COPIES = 2.0  # drawing and profiling: the networks and the runtime's own copy of their weights
LIBRARIES_BYTES = 900_000_000  # torch, diffusers and ONNX Runtime, loaded


@dataclass(frozen=True)
class Estimate:
    """Parameters by component; bytes that the store grows by; memory at the worst moment, activations aside."""

    params: Mapping[str, int]
    disk_bytes: int
    memory_bytes: int


def estimate(recipe: Recipe, folder: Path, stored: Iterable[bool]) -> Estimate:
    """What a run of ``recipe`` on the pipeline in ``folder`` would take.

    Args:
        stored: for every step, whether its result is in the store already and takes nothing more.

    Raises:
        InputError: a config or a weight file can't be read.
    """
    family = family_of(folder)
    params = {part.folder: _params(part, folder / part.folder) for part in family.parts}
    denoiser = FP32 * params[family.denoiser.folder]
    pipeline = FP32 * sum(params.values())
    left = [entry for entry, there in zip(recipe.steps, stored, strict=True) if not there]
    disk = sum(_factor(entry, DISK_FACTOR) * denoiser for entry in left)
    if left or not recipe.steps:
        disk += pipeline + _pictures(recipe, folder)
    if (folder / MADE).is_file():
        disk += MADE_FOLDERS * pipeline
    memory = max([PIPELINE_COPIES * pipeline, *(_factor(entry, MEMORY_FACTOR) * denoiser for entry in left)])
    return Estimate(params, round(disk), round(LIBRARIES_BYTES + memory))


def _params(part: Part, folder: Path) -> int:
    """By the headers of the weights; where these are still to be made, by the config."""
    return tensors_of(folder, part.stem).params if any(folder.glob("*.safetensors")) else count(part.shapes(folder))


def _factor(entry: StepEntry, factors: Mapping[str, float]) -> float:
    return TRAINING if entry.config.trains else factors.get(entry.kind, OTHER_STEP)


def _pictures(recipe: Recipe, folder: Path) -> int:
    """Every candidate's pictures, counted as if they didn't compress."""
    family = family_of(folder)
    side = family.side(family.configs(folder))
    each = recipe.evaluate.pictures + recipe.evaluate.trained_pictures
    return len(recipe.candidate_names()) * each * side * side * 3
