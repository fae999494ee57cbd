"""What a candidate is scored by: the pictures that it draws, kept in a folder, and that folder read for the metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.data.captioned import REAL_PICTURES
from workbench.evaluate.prompts import EvaluationSet
from workbench.evaluate.sampler import Networks, draw
from workbench.metrics.drawn import Drawn, Outputs
from workbench.metrics.scores import Drawing
from workbench.models.candidate import Candidate
from workbench.models.scheduler import read_scheduler, timesteps
from workbench.models.scorer import load_scorer
from workbench.progress import Progress

_PICTURES, _LATENTS, _OUTPUTS = "pictures.npy", "latents.npy", "outputs.npz"


def draw_all(
    candidate: Candidate,
    files: Mapping[str, Path],
    evaluation: EvaluationSet,
    reference: Path | None,
    progress: Progress,
    out: Path,
) -> Drawing:
    """Draws, and keeps pictures, latents and the denoiser's outputs in ``out``.

    Args:
        files: the candidate's file of each component.
        reference: folder of what the reference drew, or None for the reference itself.
    """
    start, config, steps = time.monotonic(), evaluation.config, evaluation.steps_of(candidate)
    networks = Networks.load(files, candidate.source)
    few = candidate.guidance_width is not None
    times = timesteps(read_scheduler(candidate.source), steps, few)
    prompts = evaluation.drawn
    with progress(f"draw {len(prompts)} pictures with {candidate.name}", len(prompts) * len(times)) as tick:
        pictures, latents = draw(networks, prompts, steps, config.guidance_scale, evaluation.seed, tick)
    np.save(out / _LATENTS, latents)
    np.save(out / _PICTURES, pictures)
    if not few:  # one that was distilled to few steps predicts something else at a timestep than the reference
        base = np.load(reference / _LATENTS) if reference else latents
        own = _outputs(networks, base, evaluation.prompts, config.timesteps, config.samples, evaluation.seed)
        np.savez(out / _OUTPUTS, timesteps=own.timesteps, cond=own.cond, free=own.free)
    return {
        "n": len(evaluation.prompts),
        "steps": steps,
        "guidance_scale": config.guidance_scale,
        "seed": evaluation.seed,
        "prompts": prompts,
        "pictures": _write_pictures(pictures, out),
        "seconds": time.monotonic() - start,
    }


def read_drawn(folder: Path, evaluation: EvaluationSet, source: Path, reference: Drawn | None) -> Drawn:
    """What ``draw_all`` left in ``folder``, with all that metrics need beside it; ``reference``: that of the first."""
    scorer, outputs, file = load_scorer(source), None, folder / _OUTPUTS
    if file.is_file():
        with np.load(file) as arrays:
            outputs = Outputs(**arrays)
    pictures, judged = np.load(folder / _PICTURES), len(evaluation.prompts)
    brought: dict[str, Any] = {
        "captions": evaluation.captions,
        "scorer": scorer,
        "real": _real(source) if scorer else None,
    }
    beside = reference.trained if reference else None
    trained = Drawn(pictures[judged:], evaluation.trained, reference=beside, **brought)
    return Drawn(
        pictures[:judged],
        evaluation.prompts,
        outputs=outputs,
        reference=reference,
        trained=trained if evaluation.trained else None,
        **brought,
    )


def _outputs(
    networks: Networks, latents: np.ndarray, prompts: Sequence[str], timesteps: Sequence[int], samples: int, seed: int
) -> Outputs:
    """The denoiser's outputs with and without the prompt on noised latents of the reference.

    Sample s of timestep t is the reference's picture s, noised to t with noise that depends on seed, t and s only.
    """
    import torch
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_pretrained(networks.source / "scheduler")
    texts = [networks.states(prompt) for prompt in prompts[:samples]]
    empty = networks.states("")
    cond: list[list[np.ndarray]] = []
    free: list[list[np.ndarray]] = []
    for t in timesteps:
        cond.append([])
        free.append([])
        for s, text in enumerate(texts):
            noise = np.random.default_rng([seed, t, s]).standard_normal(latents[s : s + 1].shape, dtype=np.float32)
            parts = torch.from_numpy(latents[s : s + 1]), torch.from_numpy(noise), torch.tensor([t])
            noisy = scheduler.add_noise(*parts).numpy()
            cond[-1].append(networks.denoise(noisy, t, text)[0])
            free[-1].append(networks.denoise(noisy, t, empty)[0])
    return Outputs(timesteps, np.array(cond), np.array(free))


def _real(source: Path) -> np.ndarray | None:
    """Features [K, F] of the real pictures that the model brings, if it brings any."""
    from safetensors.numpy import load_file

    stored = source / REAL_PICTURES
    return load_file(stored)["features"].astype(np.float32) if stored.is_file() else None


def _write_pictures(pictures: np.ndarray, out: Path) -> list[str]:
    from PIL import Image

    names = [f"{i:03d}.png" for i in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(out / name)
    return names
