"""Scores by the demo scorer: alignment with the prompt, retrieval of the prompt, Fréchet distance of the pictures.

None of them is CLIP score or FID: the scorer is a small pair trained on the demo pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.evaluate.interval import interval
from workbench.evaluate.scorer import ContrastivePair, to_tensor


def text_features(scorer: ContrastivePair, tokenizer: Any, captions: Sequence[str]) -> np.ndarray:
    """Unit vectors [N, F] of captions."""
    import torch

    length = scorer.positions
    with torch.inference_mode():
        ids = tokenizer(list(captions), padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        return torch.cat([scorer.text_features(part) for part in ids.input_ids.split(256)]).numpy()


def image_features(scorer: ContrastivePair, pictures: np.ndarray) -> np.ndarray:
    """Unit vectors [N, F] of pictures uint8 [N, H, W, 3]."""
    import torch

    with torch.inference_mode():
        return torch.cat([scorer.image_features(part) for part in to_tensor(pictures).split(128)]).numpy()


def score(
    images: np.ndarray, prompts: np.ndarray, distractors: np.ndarray, real: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """The three scores from features.

    Args:
        images: [N, F] of the drawn pictures.
        prompts: [N, F] of their prompts.
        distractors: [M, F] of other captions; retrieval asks whether the own prompt is nearer than all of these.
        real: [K, F] of real pictures, for the Fréchet distance; None leaves it out.
    """
    own = (images * prompts).sum(1)
    others = images @ distractors.T
    others[(prompts @ distractors.T) > 1 - 1e-5] = -np.inf  # the same caption among the distractors is no distractor
    hit = (own > others.max(1)).astype(np.float64)
    scores = {
        "alignment": {"label": "alignment (demo)", "unit": "cosine", "better": "high", **interval(own)},
        "retrieval_at_1": {
            "label": "retrieval@1 (demo)",
            "unit": "share",
            "better": "high",
            "captions": len(distractors),
            **interval(hit, bounds=(0.0, 1.0)),
        },
    }
    if real is not None:
        mean, covariance = real.mean(0), np.cov(real, rowvar=False)
        scores["frechet"] = {
            "label": "fréchet (demo)",
            "unit": "",
            "better": "low",
            "real_pictures": len(real),
            **interval(
                images, lambda x: frechet(x.mean(0), np.cov(x, rowvar=False), mean, covariance), 100, (0.0, np.inf)
            ),
        }
    return scores


def frechet(mean_a: np.ndarray, cov_a: np.ndarray, mean_b: np.ndarray, cov_b: np.ndarray) -> float:
    """Fréchet distance of two Gaussians: ‖μa - μb‖² + tr(Σa + Σb - 2 (Σa Σb)^½)."""
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real
    root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    return float(((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root)
