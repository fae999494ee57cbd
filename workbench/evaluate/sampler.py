"""Draws pictures with a candidate's networks as they ship: files run one input at a time by their runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.limits import fitting
from workbench.models import guidance
from workbench.models.families import family_of
from workbench.models.families.base import Family, Part
from workbench.models.scheduler import load_scheduler, noises, previous, read_scheduler
from workbench.models.tokens import Tokens, load_tokens
from workbench.runtimes.load import file_size, format_of, runner
from workbench.store.processor import default_threads

SMALL = 200_000_000
"""Bytes of a denoiser up to which pictures are drawn several at a time; activations of larger ones fill the memory, and
their operators are long enough to be shared by threads."""


@dataclass(frozen=True)
class Networks:
    """A candidate's networks as sessions by role, with the tokens and the scheduler of its pipeline folder.

    Large ones are in memory one at a time: a picture needs them one after another, and loading takes less than a pass.
    """

    family: Family
    files: Mapping[str, Path]
    """By component."""
    tokens: Tokens
    source: Path
    latents: tuple[float, float]
    """Scale and shift between the denoiser's latents and the decoder's."""
    threads: int | None
    lanes: int
    """How many pictures may be worked on at a time."""
    apart: bool
    """Whether one network is in memory at a time."""
    _open: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, files: Mapping[str, Path], source: Path, threads: int | None = None) -> Networks:
        """Sessions for the ``files`` by component, each by the runtime whose format it is.

        A small denoiser gains little from a second thread within an operator (the demo's: 35 ms a pass with two, 38 ms
        with one), so ``threads`` pictures are worked on at a time, with a thread each.
        """
        family = family_of(source)
        large = file_size(files[family.denoiser.name]) > SMALL
        parallel = not large and all(format_of(path).parallel for path in files.values())
        lanes = (threads or default_threads()) if parallel else 1
        each = 1 if lanes > 1 else threads
        lanes = fitting(lanes, SMALL, 2 * sum(map(file_size, files.values())))  # a thread each, however many
        networks = cls(family, files, load_tokens(source), source, family.scaling(source), each, lanes, large)
        if not large:
            for part in family.parts:
                networks.session(part)
        return networks

    def session(self, part: Part) -> Any:
        """The session of one component, opened where it isn't."""
        if part.name not in self._open:
            if self.apart:
                self._open.clear()
            self._open[part.name] = runner(self.files[part.name], self.threads)
        return self._open[part.name]

    @property
    def denoiser(self) -> Any:
        """The session of the denoiser."""
        return self.session(self.family.denoiser)

    def states(self, prompt: str) -> np.ndarray:
        """Text states float32 [1, L, D] of one prompt."""
        return _run(self.session(self.family.prompt_encoder), self.tokens([prompt]))

    @property
    def guidance_width(self) -> int | None:
        """Width of the embedding in which the denoiser takes the strength of guidance; None where it takes none."""
        return next((i.shape[-1] for i in self.denoiser.get_inputs() if i.name == guidance.INPUT), None)

    def denoise(
        self, latent: np.ndarray, timestep: float, states: np.ndarray, embedded: np.ndarray | None = None
    ) -> np.ndarray:
        """The denoiser's output [1, C, h, w] for one latent at one timestep; ``embedded``: of guidance, [1, width]."""
        more = () if embedded is None else (embedded,)
        return _run(self.denoiser, latent, np.array([timestep], np.float32), states, *more)

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """Picture uint8 [H, W, 3] of one latent [1, C, h, w]."""
        scale, shift = self.latents
        (picture,) = _run(self.session(self.family.decoder), (latent / scale + shift).astype(np.float32))
        return (np.clip(picture.transpose(1, 2, 0) * 0.5 + 0.5, 0, 1) * 255).round().astype(np.uint8)


def _run(session: Any, *values: np.ndarray) -> np.ndarray:
    """A session's first output; its inputs are in the order of the family's ``Spec``."""
    output: np.ndarray = session.run(None, dict(zip([i.name for i in session.get_inputs()], values, strict=True)))[0]
    return output


def first_noise(shape: Sequence[int], seed: int, index: int) -> np.ndarray:
    """The noise that picture ``index`` starts from: a function of the seed alone, the same for every candidate."""
    return np.random.default_rng([seed, index]).standard_normal((1, *shape), dtype=np.float32)


def draw(
    networks: Networks,
    prompts: Sequence[str],
    steps: int,
    guidance_scale: float,
    seed: int,
    on_pass: Callable[[int], None] = lambda _done: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [N, H, W, 3] and their final latents float32 [N, C, h, w], one for each prompt.

    Guidance is classifier-free (arXiv 2207.12598): two passes of batch 1 per step, as devices run it; a
    ``guidance_scale`` of 1 takes one. A U-Net that takes the strength of guidance as an input was distilled to few
    steps: one pass per step, by the scheduler of such models.
    """
    import torch

    states = [networks.states(p) for p in prompts]
    empty = networks.states("")
    shape = networks.denoiser.get_inputs()[0].shape[1:]
    width = networks.guidance_width
    embedded = None if width is None else guidance.guidance_embedding(np.array([guidance_scale - 1]), width)
    scheduler = load_scheduler(read_scheduler(networks.source), steps, few=width is not None)
    latents = torch.from_numpy(np.concatenate([first_noise(shape, seed, i) for i in range(len(prompts))]))
    latents = latents * scheduler.init_noise_sigma
    generators = noises(seed, range(len(prompts)))

    def denoised(scaled: np.ndarray, timestep: float, text: np.ndarray) -> np.ndarray:
        out = networks.denoise(scaled[None], timestep, text, embedded)
        if guidance.passes(guidance_scale, embedded is not None) == 2:
            free = networks.denoise(scaled[None], timestep, empty)
            out = free + guidance_scale * (out - free)
        return out

    done = 0
    with ThreadPoolExecutor(networks.lanes) as lanes:
        for t in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, t).numpy()
            outputs = []
            for out in lanes.map(denoised, scaled, [t.item()] * len(states), states):
                outputs.append(out)
                done += 1
                on_pass(done)
            latents = previous(scheduler, torch.from_numpy(np.concatenate(outputs)), t, latents, generators)
        final = latents.numpy()
        pictures = list(lanes.map(networks.decode, final[:, None]))
    return np.stack(pictures), final
