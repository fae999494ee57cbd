"""Scores of one candidate: draws the recipe's pictures and compares them with prompts, real pictures and reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.evaluate import alignment, fidelity
from workbench.evaluate.prompts import Question
from workbench.evaluate.sampler import Networks, draw
from workbench.evaluate.scorer import load_scorer
from workbench.progress import Progress

PROBES = "probes.npz"


def evaluate(
    name: str,
    files: Mapping[str, Path],
    source: Path,
    question: Question,
    steps: int,
    reference: Path | None,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Draws, scores and keeps pictures, latents and U-Net outputs in ``out``; returns the scores (JSON).

    Args:
        files: the candidate's ONNX file of each component.
        steps: denoising steps of its pictures.
        reference: folder of the reference's own evaluation, or None for the reference itself.
    """
    config = question.config
    networks = Networks.load(files, source)
    passes = config.pictures * steps
    with progress(f"draw {config.pictures} pictures with {name}", passes) as tick:
        pictures, latents = draw(networks, question.prompts, steps, config.guidance_scale, question.seed, tick)
    base_latents = np.load(reference / "latents.npy") if reference else latents
    # A U-Net that was distilled to few steps says something else at a timestep than the one it came from.
    own: dict[str, np.ndarray] = {}
    if networks.guidance_width is None:
        own = fidelity.probes(networks, base_latents, question.prompts, config.timesteps, config.samples, question.seed)
    metrics, by_picture = _scored(networks, source, question, pictures)
    scores: dict[str, Any] = {
        "n": config.pictures,
        "steps": steps,
        "guidance_scale": config.guidance_scale,
        "seed": question.seed,
        "reference": None if reference is None else "base",
        "prompts": list(question.prompts),
        "pictures": _write_pictures(pictures, out),
    }
    if reference is not None:
        compared, by_picture["psnr_db"] = fidelity.pictures(pictures, np.load(reference / "pictures.npy"))
        metrics |= compared
        if own and (reference / PROBES).is_file():
            with np.load(reference / PROBES) as stored:
                metrics |= fidelity.compare_probes(own, dict(stored))
            values = metrics.pop("by_timestep")["values"]
            scores["unet_sqnr_db_by_timestep"] = dict(zip(map(str, config.timesteps), values, strict=True))
    np.save(out / "latents.npy", latents)
    np.save(out / "pictures.npy", pictures)
    if own:
        np.savez(out / PROBES, cond=own["cond"], free=own["free"])
    rounded = {name: [round(float(v), 5) for v in values] for name, values in by_picture.items()}
    return scores | {"metrics": metrics, "by_picture": rounded}


def _scored(
    networks: Networks, source: Path, question: Question, pictures: np.ndarray
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores by the model's scorer, with what real pictures get beside them; nothing where it has no scorer.

    The second one holds those that every picture has by itself.
    """
    from safetensors.numpy import load_file

    scorer = load_scorer(source)
    if scorer is None:
        return {}, {}
    prompts = alignment.text_features(scorer, networks.tokenizer, question.prompts)
    others = alignment.text_features(scorer, networks.tokenizer, question.distractors)
    images = alignment.image_features(scorer, pictures)
    stored = source / "data" / "pictures.safetensors"
    real = load_file(stored)["features"].astype(np.float32) if stored.is_file() else None
    metrics = alignment.score(images, prompts, others, real)
    if real is not None and len(real) == len(question.distractors):
        at_best = alignment.score(real, others, others, None)
        for key in ("alignment", "retrieval_at_1"):
            metrics[key]["real"] = at_best[key]["value"]
    return metrics, {"alignment": (images * prompts).sum(1)}


def _write_pictures(pictures: np.ndarray, out: Path) -> list[str]:
    from PIL import Image

    names = [f"{i:03d}.png" for i in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        Image.fromarray(picture).save(out / name)
    return names
