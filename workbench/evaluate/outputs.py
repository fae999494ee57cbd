"""The U-Net's output at single timesteps, for comparing it with the reference's on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.evaluate.sampler import Networks
from workbench.metrics.drawn import Outputs


def outputs(
    networks: Networks, latents: np.ndarray, prompts: Sequence[str], timesteps: Sequence[int], samples: int, seed: int
) -> Outputs:
    """The U-Net's outputs with and without the prompt on noised latents of the reference.

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
            cond[-1].append(networks.denoise(noisy, t, networks.states(prompts[s]))[0])
            free[-1].append(networks.denoise(noisy, t, empty)[0])
    return Outputs(timesteps, np.array(cond), np.array(free))
