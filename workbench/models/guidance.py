"""The strength of guidance as an input of the denoiser: few-step students take it instead of a second pass.

Source: Latent Consistency Models (arXiv 2310.04378); the embedding is that of diffusers' pipelines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

INPUT = "timestep_cond"
"""The denoiser's input that takes the embedding."""
FIELD = "time_cond_proj_dim"
"""The entry of a denoiser's config that holds the embedding's width, where it takes one."""
EMBEDDED = 256
"""Width of the embedding; SD-v1's U-Net takes it through a linear of 256 × 320 without bias."""
_PERIOD = 10000.0
_SCALE = 1000.0


def guidance_embedding(w: np.ndarray, width: int = EMBEDDED) -> np.ndarray:
    """Sine and cosine features float32 [B, width] of weights ``w`` [B], which are scaled by 1000 as timesteps are.

    ``w`` = guidance_scale - 1: with the weight in this form, ε = cond + w · (cond - uncond).
    """
    import numpy as np

    half = width // 2
    rates = np.exp(np.arange(half, dtype=np.float32) * np.float32(-np.log(_PERIOD) / (half - 1)))
    angles = np.float32(_SCALE) * np.asarray(w, np.float32)[:, None] * rates[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def passes(guidance_scale: float, embedded: bool) -> int:
    """Passes of the denoiser per step: with the prompt and, where guidance asks for it and isn't an input, without."""
    return 2 if guidance_scale > 1 and not embedded else 1
