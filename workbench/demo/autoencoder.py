"""Stage 1 of the demo model: the autoencoder, 64 x 64 x 3 pictures to 16 x 16 x 4 latents and back.

Trained on mean squared error with a little noise on the latents (an L1 objective from the start collapses to plain
white on pictures like these), then normalised per channel so that ``scaling_factor`` is 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.demo.pictures import Pictures
from workbench.training.loop import OnStep, Schedule, train

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL

LATENT_NOISE = 0.05


def new_autoencoder(seed: int = 0) -> AutoencoderKL:
    """An untrained autoencoder of SD-v1's kind: three levels, one layer each, 4 latent channels."""
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(seed)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        sample_size=64,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )


def train_autoencoder(
    pictures: Pictures, state: Path, steps: int, on_step: OnStep | None = None, batch: int = 16
) -> AutoencoderKL:
    """Trains stage 1 and returns the normalised autoencoder."""
    import torch

    model = new_autoencoder()

    def loss_of(model: Any, step: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        concept, background = pictures.draw(rng, batch)
        x = torch.from_numpy(shifted(pictures.render(concept, background), rng))
        mean = model.encode(x).latent_dist.mean
        noise = torch.from_numpy(rng.standard_normal(tuple(mean.shape), dtype=np.float32))
        out = model.decode(mean + LATENT_NOISE * noise).sample
        mse = (out - x).pow(2).mean()
        small = mean.pow(2).mean()
        l1 = (out - x).abs().mean()
        weight = 0.05 if step >= steps // 2 else 0.0
        return {"loss": mse + weight * l1 + 1e-5 * small, "mse": mse, "l1": l1, "latent_square": small}

    schedule = Schedule(
        steps=steps,
        lr=1.2e-3,
        warmup=50,
        decay="cosine",
        weight_decay=1e-4,
        ema=0.998,
        seed=11,
        precision="auto",
        save_every=100,
    )
    model = train(model, loss_of, schedule, state, on_step)
    _normalise(model, pictures)
    return model


def shifted(x: np.ndarray, rng: np.random.Generator, most: int = 3) -> np.ndarray:
    """The batch rolled by up to ``most`` pixels, edges repeated, so that edges are learned at every offset."""
    dy, dx = rng.integers(-most, most + 1, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (most, most), (most, most)), mode="edge")
    return np.ascontiguousarray(padded[:, :, most + dy : most + dy + x.shape[2], most + dx : most + dx + x.shape[3]])


def _normalise(model: AutoencoderKL, pictures: Pictures) -> None:
    """Folds zero mean, unit variance per latent channel into the 1x1 convolutions; fixes the log-variance head."""
    import torch

    concept, background = pictures.pairs(held_out=False)
    latents = encode(model, pictures, concept, background)
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    with torch.no_grad():
        quant, post = model.quant_conv, model.post_quant_conv
        channels = mean.numel()
        quant.weight[:channels] /= std[:, None, None, None]
        quant.bias[:channels] = (quant.bias[:channels] - mean) / std
        quant.weight[channels:] = 0
        quant.bias[channels:] = -12.0
        post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
        post.weight *= std[None, :, None, None]


def encode(model: AutoencoderKL, pictures: Pictures, concept: np.ndarray, background: np.ndarray) -> torch.Tensor:
    """Mean latents float32 [N, 4, 16, 16] of the given pairs."""
    import torch

    with torch.no_grad():
        return torch.cat([model.encode(x).latent_dist.mean for x in pictures.batches(concept, background, 64)])


def psnr(model: AutoencoderKL, pictures: Pictures, concept: np.ndarray, background: np.ndarray) -> float:
    """Mean PSNR in dB (8-bit pictures) of decode(encode(x)) over the given pairs."""
    import torch

    values = []
    with torch.no_grad():
        for x in pictures.batches(concept, background, 64):
            out = model.decode(model.encode(x).latent_dist.mean).sample.clamp(-1, 1)
            values.append(10 * torch.log10(4.0 / (out - x).pow(2).mean((1, 2, 3))))
    return float(torch.cat(values).mean())
