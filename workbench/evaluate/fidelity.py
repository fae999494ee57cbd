"""How close a candidate stays to the reference: pictures of the same seeds, and the U-Net's output at each timestep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.evaluate.interval import interval
from workbench.evaluate.sampler import Networks


def pictures(drawn: np.ndarray, reference: np.ndarray) -> tuple[dict[str, dict[str, Any]], np.ndarray]:
    """PSNR (dB) and SSIM of uint8 pictures [N, H, W, 3] against the reference, mean over pictures; each one's PSNR."""
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255 for p in (drawn, reference))
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3)).numpy()
    ssim = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none").numpy()
    psnr = np.minimum(psnr, 100.0)  # equal pictures have no finite PSNR
    metrics = {
        "psnr_db": {"label": "PSNR to reference", "unit": "dB", "better": "high", **interval(psnr)},
        "ssim": {"label": "SSIM to reference", "unit": "", "better": "high", **interval(ssim)},
    }
    return metrics, psnr


def probes(
    networks: Networks, latents: np.ndarray, prompts: Sequence[str], timesteps: Sequence[int], samples: int, seed: int
) -> dict[str, np.ndarray]:
    """The U-Net's outputs with and without the prompt, [T, S, C, h, w] each, on noised latents of the reference.

    Sample s of timestep t is the reference's picture s, noised to t with noise that depends on seed, t and s only.
    """
    import torch
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler.from_pretrained(networks.source / "scheduler")
    empty = networks.states("")
    cond: list[list[np.ndarray]] = []
    free: list[list[np.ndarray]] = []
    for t in timesteps:
        cond.append([])
        free.append([])
        for s in range(min(samples, len(prompts))):
            noise = np.random.default_rng([seed, t, s]).standard_normal(latents[s : s + 1].shape, dtype=np.float32)
            parts = torch.from_numpy(latents[s : s + 1]), torch.from_numpy(noise), torch.tensor([t])
            noisy = scheduler.add_noise(*parts).numpy()
            cond[-1].append(networks.unet(noisy, t, networks.states(prompts[s]))[0])
            free[-1].append(networks.unet(noisy, t, empty)[0])
    return {"cond": np.array(cond), "free": np.array(free)}


def compare_probes(own: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """SQNR (dB) of the U-Net's output, and the strength of guidance as a ratio to the reference's (1 is right).

    SQNR = 10 log10(Σ ref² / Σ (ref - own)²) per sample; guidance strength = ‖cond - free‖.
    """
    error = np.sum((reference["cond"] - own["cond"]) ** 2, axis=(2, 3, 4))
    signal = np.sum(reference["cond"] ** 2, axis=(2, 3, 4))
    sqnr = 10 * np.log10(signal / np.maximum(error, 1e-12 * signal))
    pulls = [np.sqrt(np.sum((p["cond"] - p["free"]) ** 2, axis=(2, 3, 4))) for p in (own, reference)]
    ratio = (pulls[0] / np.maximum(pulls[1], 1e-12)).ravel()
    return {
        "unet_sqnr_db": {"label": "U-Net SQNR to reference", "unit": "dB", "better": "high", **interval(sqnr.ravel())},
        "guidance_ratio": {"label": "guidance ÷ reference", "unit": "ratio", "better": "one", **interval(ratio)},
        "by_timestep": {"values": sqnr.mean(1).tolist()},
    }
