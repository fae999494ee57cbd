"""What a denoiser sees while it draws.

The inputs are those of the real denoising trajectory, with prompt and without: noisy latents made by adding noise to
pictures have other statistics (arXiv 2211.15736, 2302.04304).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models import guidance
from workbench.models.families import family_of
from workbench.models.scheduler import load_scheduler, noises, previous, read_scheduler, timesteps
from workbench.models.tokens import Tokens, load_tokens
from workbench.runtimes.load import runner

if TYPE_CHECKING:
    import numpy as np
    import torch

Inputs = dict[str, "np.ndarray"]
_AT_ONCE = 256
"""Prompts whose encoded states are in memory: 60 MB at full size."""
Denoise = Callable[[Inputs, bool], "np.ndarray"]
"""``denoise(inputs, kept)`` gives the denoiser's output [1, C, h, w]."""


@dataclass(frozen=True)
class Trajectory:
    """How the denoiser's inputs come about: ``steps`` of the pipeline's scheduler, guidance of ``guidance_scale``.

    ``timesteps``: which of the trajectory's timesteps are kept (the nearest to each is taken); None keeps all.
    ``unconditional``: whether the inputs without prompt are kept as well. ``guidance_width``: of the embedding in which
    the denoiser takes the strength of guidance, where it was distilled to few steps: it makes one pass per step.
    """

    source: Path
    prompt_encoder: Path
    steps: int
    guidance_scale: float
    timesteps: Sequence[int] | None = None
    unconditional: bool = True
    guidance_width: int | None = None

    @property
    def passes(self) -> int:
        """Passes of the denoiser per step: with the prompt and, where guidance asks for it, without."""
        return guidance.passes(self.guidance_scale, self.guidance_width is not None)

    @property
    def _schedule(self) -> tuple[dict[str, Any], int, bool]:
        return read_scheduler(self.source), self.steps, self.guidance_width is not None

    def kept(self) -> list[float]:
        """The timesteps whose inputs are kept, in the order they come."""
        times = timesteps(*self._schedule)
        if self.timesteps is None:
            return times
        near = {min(times, key=lambda t: abs(t - timestep)) for timestep in self.timesteps}
        return [t for t in times if t in near]

    def walk(self, prompts: Sequence[str], seed: int, denoise: Denoise, start: int = 0) -> Iterator[Inputs]:
        """Draws every prompt from number ``start`` on with ``denoise(inputs, kept)`` and yields each kept input after
        its pass.

        Inputs: ``sample`` [1, C, h, w], ``timestep`` [1], ``encoder_hidden_states`` [1, L, D], all float32, and with
        a ``guidance_width`` the embedding [1, width].
        """
        for passes in self._each(prompts, seed, denoise, start):
            yield from passes

    def drawn(self, prompts: Sequence[str], seed: int, denoise: Denoise, start: int = 0) -> Iterator[np.ndarray]:
        """The latent at each prompt's end, float32 [1, C, h, w], from prompt number ``start`` on."""
        for passes in self._each(prompts, seed, denoise, start):
            while True:
                try:
                    next(passes)
                except StopIteration as end:
                    yield end.value
                    break

    def _each(
        self, prompts: Sequence[str], seed: int, denoise: Denoise, start: int
    ) -> Iterator[Generator[Inputs, None, np.ndarray]]:
        """Each prompt's passes; it has the same noise however many there are."""
        import numpy as np

        shape = self._latent_shape()
        for index, text in enumerate(self._texts(prompts[start:]), start):
            noise = np.random.default_rng([seed, index]).standard_normal(shape, dtype=np.float32)
            yield self._draw(text, noise, noises(seed, [index]), denoise)

    def _draw(
        self, text: np.ndarray, noise: np.ndarray, again: Sequence[torch.Generator], denoise: Denoise
    ) -> Generator[Inputs, None, np.ndarray]:
        """One prompt's passes, ``text`` being its encoded states; returns its latent. ``again``: where noise between
        the steps comes from."""
        import numpy as np
        import torch

        kept = set(self.kept())
        scheduler = load_scheduler(*self._schedule)
        latent = torch.from_numpy(noise) * scheduler.init_noise_sigma
        more = {}
        if self.guidance_width is not None:
            more[guidance.INPUT] = guidance.guidance_embedding(np.array([self.guidance_scale - 1]), self.guidance_width)
        for t in scheduler.timesteps:
            sample = scheduler.scale_model_input(latent, t).numpy()
            time = np.array([t.item()], np.float32)
            with_text = {**dict(zip(self._inputs, (sample, time, text), strict=False)), **more}
            without = dict(zip(self._inputs, (sample, time, self._empty), strict=False))
            keep = t.item() in kept
            out = denoise(with_text, keep)
            if keep:
                yield with_text
            if self.passes == 2:
                free = denoise(without, keep and self.unconditional)
                if keep and self.unconditional:
                    yield without
                out = free + self.guidance_scale * (out - free)
            latent = previous(scheduler, torch.from_numpy(out), t, latent, again)
        return latent.numpy()

    def tokens(self, prompts: Sequence[str]) -> Iterator[np.ndarray]:
        """Token ids int64 [1, L] of each prompt."""
        return (self._tokens([prompt]) for prompt in prompts)

    @cached_property
    def _tokens(self) -> Tokens:
        return load_tokens(self.source)

    @cached_property
    def _empty(self) -> np.ndarray:
        return self._encoded([""])[0]

    def _texts(self, prompts: Sequence[str]) -> Iterator[np.ndarray]:
        for start in range(0, len(prompts), _AT_ONCE):
            yield from self._encoded(prompts[start : start + _AT_ONCE])

    def _encoded(self, prompts: Sequence[str]) -> list[np.ndarray]:
        """Each prompt's states; the prompt encoder is in memory no longer than that takes."""
        encoder = runner(self.prompt_encoder, 1)
        (name,) = (given.name for given in encoder.get_inputs())
        return [encoder.run(None, {name: tokens})[0] for tokens in self.tokens(prompts)]

    @cached_property
    def _inputs(self) -> Mapping[str, tuple[tuple[int, ...], str]]:
        family = family_of(self.source)
        return family.denoiser.spec(family.configs(self.source)).inputs

    def _latent_shape(self) -> tuple[int, ...]:
        (shape, _), *_ = self._inputs.values()
        return shape
