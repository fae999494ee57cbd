"""Batches of the denoising task: noisy latents, timesteps, text states, and the target of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.models.families import family_of
from workbench.models.tokens import load_tokens

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Clean:
    """``latents`` and ``noise`` [B, C, h, w], ``states`` [B, tokens, width]."""

    latents: torch.Tensor
    noise: torch.Tensor
    states: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """``noisy`` and ``target`` [B, C, h, w], ``timesteps`` [B], ``states`` [B, tokens, width]."""

    noisy: torch.Tensor
    timesteps: torch.Tensor
    states: torch.Tensor
    target: torch.Tensor


class Batches:
    """Draws batches from the training part of captioned data; everything random comes from the caller's generator."""

    def __init__(
        self,
        source: Path,
        data: str | None,
        size: int,
        drop_captions: float,
        device: torch.device | None = None,
        part: slice | None = None,
    ) -> None:
        """Loads scheduler, text encoder and tokenizer of the pipeline in ``source``, and the data.

        ``drop_captions`` is the share of captions that is replaced by the empty one. All tensors that come out lie on
        ``device`` (default: the CPU), where text is encoded as well; numbers are drawn on the CPU, so that a seed means
        the same everywhere. ``part``: the rows of every batch that come out (default: all); all are drawn, so that
        processes which take a part each make up the batch together.
        """
        import torch
        from diffusers import DDPMScheduler

        from workbench.data.captioned import load

        self._size, self._drop, self._part = size, drop_captions, part or slice(size)
        self._device = device or torch.device("cpu")
        self._scheduler = DDPMScheduler.from_pretrained(source / "scheduler")
        encoder = family_of(source).prompt_encoder
        self._text = encoder.net(source / encoder.folder).to(self._device)
        self._tokens = load_tokens(source)
        self._data = load(data, source)
        self._rows = self._data.part("train")
        if not self._rows:
            raise InputError("data: no pictures to train on: none is of the split train")

    @property
    def alphas(self) -> torch.Tensor:
        """ᾱ of every training timestep [T]."""
        return self._scheduler.alphas_cumprod.to(self._device)

    @property
    def prediction(self) -> str:
        """What the model predicts: ``epsilon`` (the noise), ``v_prediction`` or ``sample`` (the clean latent)."""
        return self._scheduler.config.prediction_type

    def noised(self, clean: Clean, timesteps: torch.Tensor) -> torch.Tensor:
        """The latents at ``timesteps`` [B]."""
        return self._scheduler.add_noise(clean.latents, clean.noise, timesteps)

    def encode(self, words: list[str]) -> torch.Tensor:
        """Text states [B, tokens, width]."""
        import torch

        ids = torch.from_numpy(self._tokens(words))
        with torch.no_grad():
            return self._text(ids.to(self._device)).last_hidden_state

    def draw(self, rng: np.random.Generator) -> Batch:
        """The next batch; the target is what the model predicts: the noise, the velocity or the clean latents.

        Timesteps are uniform; each equal part of their range has as many as any other (stratified), so that the loss
        differs less from batch to batch.
        """
        import numpy as np
        import torch

        clean, count = self.clean(rng), self._scheduler.config.num_train_timesteps
        places = (np.arange(self._size) + rng.random(self._size)) / self._size  # the last may round up to 1
        times = np.minimum((places * count).astype(np.int64), count - 1)[self._part]
        t = torch.from_numpy(times).to(self._device)
        if self.prediction == "v_prediction":
            target = self._scheduler.get_velocity(clean.latents, clean.noise, t)
        else:
            target = clean.latents if self.prediction == "sample" else clean.noise
        return Batch(self.noised(clean, t), t, clean.states, target)

    def clean(self, rng: np.random.Generator) -> Clean:
        """The next pictures with noise to be added and their captions."""
        import torch

        picked = [self._rows[i] for i in rng.integers(0, len(self._rows), self._size)]
        dropped = rng.random(self._size) < self._drop
        drawn = rng.standard_normal((self._size, *self._data.latents.shape[1:]), dtype="float32")[self._part]
        picked, dropped = picked[self._part], dropped[self._part]
        words = ["" if gone else self._data.captions[i] for i, gone in zip(picked, dropped, strict=True)]
        z, noise = self._data.latents[picked], torch.from_numpy(drawn)
        return Clean(z.to(self._device), noise.to(self._device), self.encode(words))
