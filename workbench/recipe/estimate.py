"""Disk and memory that a run would take: upper bounds by stated factors, from the weights' headers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.models.families import family_of
from workbench.models.weights import tensors_of
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
        InputError: a weight file can't be read.
    """
    family = family_of(folder)
    tensors = {part.folder: tensors_of(folder / part.folder, part.stem) for part in family.parts}
    denoiser = FP32 * tensors[family.denoiser.folder].params
    pipeline = FP32 * sum(t.params for t in tensors.values())
    left = [entry for entry, there in zip(recipe.steps, stored, strict=True) if not there]
    disk = sum(_factor(entry, DISK_FACTOR) * denoiser for entry in left)
    if left or not recipe.steps:
        disk += pipeline + _pictures(recipe, folder)
    memory = max([PIPELINE_COPIES * pipeline, *(_factor(entry, MEMORY_FACTOR) * denoiser for entry in left)])
    params = {name: t.params for name, t in tensors.items()}
    return Estimate(params, round(disk), round(LIBRARIES_BYTES + memory))


def _factor(entry: StepEntry, factors: Mapping[str, float]) -> float:
    return TRAINING if entry.config.trains else factors.get(entry.kind, OTHER_STEP)


def _pictures(recipe: Recipe, folder: Path) -> int:
    """Every candidate's pictures, counted as if they didn't compress."""
    family = family_of(folder)
    side = family.side(family.configs(folder))
    each = recipe.evaluate.pictures + recipe.evaluate.trained_pictures
    return len(recipe.candidate_names()) * each * side * side * 3
