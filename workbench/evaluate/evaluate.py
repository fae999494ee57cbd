"""Scores of one candidate: draws the recipe's pictures and gives them to every metric."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workbench.evaluate.outputs import outputs
from workbench.evaluate.prompts import EvaluationSet
from workbench.evaluate.sampler import Networks, draw
from workbench.metrics.drawn import Drawn, Outputs
from workbench.metrics.registry import metrics
from workbench.metrics.scores import SCHEMA, StoredScores
from workbench.models.candidate import Candidate
from workbench.models.scheduler import read_scheduler, timesteps
from workbench.models.scorer import load_scorer
from workbench.progress import Progress

_PICTURES, _LATENTS, _OUTPUTS = "pictures.npy", "latents.npy", "outputs.npz"


def evaluate(
    candidate: Candidate,
    files: Mapping[str, Path],
    evaluation: EvaluationSet,
    reference: Path | None,
    out: Path,
    progress: Progress,
) -> StoredScores:
    """Draws, scores and keeps pictures, latents and U-Net outputs in ``out``.

    Args:
        files: the candidate's ONNX file of each component.
        reference: folder of the reference's own evaluation, or None for the reference itself.
    """
    start, config, steps = time.monotonic(), evaluation.config, evaluation.steps_of(candidate)
    networks = Networks.load(files, candidate.source)
    times = timesteps(read_scheduler(candidate.source), steps, few=networks.guidance_width is not None)
    with progress(f"draw {config.pictures} pictures with {candidate.name}", config.pictures * len(times)) as tick:
        pictures, latents = draw(networks, evaluation.prompts, steps, config.guidance_scale, evaluation.seed, tick)
    base_latents = np.load(reference / _LATENTS) if reference else latents
    # A U-Net that was distilled to few steps says something else at a timestep than the one it came from.
    own = None
    if networks.guidance_width is None:
        own = outputs(networks, base_latents, evaluation.prompts, config.timesteps, config.samples, evaluation.seed)
    scorer = load_scorer(candidate.source)
    drawn = Drawn(
        pictures,
        evaluation.prompts,
        captions=evaluation.captions,
        scorer=scorer,
        real=_real(candidate.source) if scorer else None,
        outputs=own,
        reference=None if reference is None else _reference(reference),
    )
    values = {name: value for name, metric in metrics().items() if (value := metric.measure(drawn))}
    np.save(out / _LATENTS, latents)
    np.save(out / _PICTURES, pictures)
    if own:
        np.savez(out / _OUTPUTS, timesteps=own.timesteps, cond=own.cond, free=own.free)
    return {
        "schema": SCHEMA,
        "n": config.pictures,
        "steps": steps,
        "guidance_scale": config.guidance_scale,
        "seed": evaluation.seed,
        "prompts": list(evaluation.prompts),
        "pictures": _write_pictures(pictures, out),
        "metrics": values,
        "seconds": time.monotonic() - start,
    }


def _reference(folder: Path) -> Drawn:
    """What the reference drew, from the folder of its evaluation."""
    stored, outputs_there = folder / _OUTPUTS, None
    if stored.is_file():
        with np.load(stored) as arrays:
            outputs_there = Outputs(**arrays)
    return Drawn(np.load(folder / _PICTURES), outputs=outputs_there)


def _real(source: Path) -> np.ndarray | None:
    """Features [K, F] of the real pictures that the model brings, if it brings any."""
    from safetensors.numpy import load_file

    stored = source / "data" / "pictures.safetensors"
    return load_file(stored)["features"].astype(np.float32) if stored.is_file() else None


def _write_pictures(pictures: np.ndarray, out: Path) -> list[str]:
    from PIL import Image

    names = [f"{i:03d}.png" for i in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(out / name)
    return names
