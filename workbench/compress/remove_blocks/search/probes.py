"""What the search measures with: the parent's own denoising inputs, and pictures of the same seeds.

Guidance is classifier-free (arXiv 2207.12598), as in the evaluation; inputs of many prompts and timesteps go through
the network at once, in parts whose size follows from the latents, so that memory doesn't grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.evaluate.sampler import first_noise
from workbench.models.families import family_of
from workbench.models.scheduler import load_scheduler, noises, previous, read_scheduler
from workbench.models.tokens import load_tokens

if TYPE_CHECKING:
    import torch

POSITIONS_AT_ONCE = 16_384
"""Positions of latents (height x width) that go through the network at once: 64 of 16 x 16, 4 of 64 x 64."""


@dataclass(frozen=True)
class Inputs:
    """The parent's denoising inputs: ``sample`` [T, P, C, h, w] at ``timesteps`` (T) of P prompts."""

    sample: torch.Tensor
    timesteps: tuple[float, ...]


class Probe:
    """A pipeline's text states, scheduler, starting noise and decoder, for any U-Net in place of its own."""

    def __init__(self, source: Path, prompts: Sequence[str], steps: int, guidance_scale: float, seed: int) -> None:
        """Loads text encoder and decoder of the pipeline folder ``source``; ``steps`` denoising steps a picture."""
        self.prompts, self._source, self._family = tuple(prompts), source, family_of(source)
        self._steps, self._guidance, self._seed = steps, guidance_scale, seed
        self._states, self._empty = self._encode()
        self._decoder = self._family.decoder.load(source / self._family.decoder.folder)

    def _encode(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Text states [P, L, D] of the prompts, [1, L, D] of the empty one."""
        import torch

        part = self._family.prompt_encoder
        encoder = part.load(self._source / part.folder)
        with torch.inference_mode():
            ids = torch.from_numpy(load_tokens(self._source)(["", *self.prompts]))
            states = torch.cat([encoder(part) for part in ids.split(64)])
        return states[1:], states[:1]

    def outputs(self, unet: Any, inputs: Inputs) -> torch.Tensor:
        """The U-Net's outputs [T, P, C, h, w] on the inputs, each with its prompt."""
        import torch

        times, prompts = inputs.sample.shape[:2]
        t = torch.tensor(inputs.timesteps, dtype=torch.float32).repeat_interleave(prompts)
        found = _run(unet, inputs.sample.flatten(0, 1), t, self._states[:prompts].repeat(times, 1, 1))
        return found.unflatten(0, (times, prompts))

    def draw(self, unet: Any, count: int, keep: int = 0) -> tuple[np.ndarray, Inputs]:
        """Pictures uint8 [N, H, W, 3] of the first ``count`` prompts, and the first ``keep``'s inputs at every step."""
        import torch

        config = unet.config
        side = config["sample_size"]
        shape = (config["in_channels"], *((side, side) if isinstance(side, int) else side))
        scheduler = load_scheduler(read_scheduler(self._source), self._steps)
        noise = np.concatenate([first_noise(shape, self._seed, i) for i in range(count)])
        latents = torch.from_numpy(noise) * scheduler.init_noise_sigma
        generators = noises(self._seed, range(count))
        guided = self._guidance > 1
        states = self._states[:count]
        states = torch.cat([states, self._empty.expand(count, -1, -1)]) if guided else states
        seen = []
        for t in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, t)
            seen.append(scaled[:keep])
            batch = torch.cat([scaled, scaled]) if guided else scaled
            out = _run(unet, batch, torch.full((len(batch),), float(t)), states)
            if guided:
                out, free = out.chunk(2)
                out = free + self._guidance * (out - free)
            latents = previous(scheduler, out, t, latents, generators)
        times = tuple(t.item() for t in scheduler.timesteps)
        return self._decode(latents), Inputs(torch.stack(seen), times)

    def _decode(self, latents: torch.Tensor) -> np.ndarray:
        import torch

        scale, shift = self._family.scaling(self._source)
        scaled = latents / scale + shift
        with torch.inference_mode():
            pictures = torch.cat([self._decoder(z) for z in scaled.split(_at_once(scaled))])
        out: np.ndarray = ((pictures * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return out


def _at_once(sample: torch.Tensor) -> int:
    return max(1, POSITIONS_AT_ONCE // (sample.shape[-1] * sample.shape[-2]))


def _run(unet: Any, sample: torch.Tensor, timesteps: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """The U-Net's output on N inputs, part by part."""
    import torch

    size = _at_once(sample)
    parts = zip(sample.split(size), timesteps.split(size), states.split(size), strict=True)
    with torch.inference_mode():
        return torch.cat([unet(x, t, text, return_dict=False)[0].float() for x, t, text in parts])
