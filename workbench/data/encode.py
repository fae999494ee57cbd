"""Pictures as latents of a model's autoencoder; data sets of a recipe store them beside their pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.models.families import family_of
from workbench.progress import Progress, quiet
from workbench.store.files import hash_file, write_atomic

if TYPE_CHECKING:
    import torch

LATENTS = "latents.safetensors"
_OF = "autoencoder"
_BATCH = 16


def encode(files: Sequence[Path], source: Path, progress: Progress = quiet) -> torch.Tensor:
    """Latents float [N, C, h, w], scaled as the denoiser expects them; the autoencoder's means, not samples.

    Pictures are cropped to their centre. ``source``: the pipeline's folder.
    """
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    family = family_of(source)
    vae = family.decoder.net(source / family.decoder.folder)
    side, (scale, shift) = vae.config.sample_size, family.latents(vae.config)
    latents = []
    with progress("encode", len(files)) as tick, torch.inference_mode():
        for start in range(0, len(files), _BATCH):
            pictures = []
            for file in files[start : start + _BATCH]:
                with Image.open(file) as image:
                    upright = ImageOps.exif_transpose(image).convert("RGB")
                    pictures.append(np.asarray(ImageOps.fit(upright, (side, side)), dtype=np.float32))
            x = torch.from_numpy(np.stack(pictures) / 127.5 - 1).permute(0, 3, 1, 2)
            latents.append((vae.encode(x).latent_dist.mean - shift) * scale)
            tick(start + len(pictures))
    return torch.cat(latents).clone()


def keep(folder: Path, files: Sequence[Path], source: Path, progress: Progress = quiet) -> None:
    """Encodes the ``files`` of the data set in ``folder``, in the order of its rows, and stores the latents."""
    from safetensors.torch import save

    latents = encode(files, source, progress).contiguous()
    write_atomic(folder / LATENTS, save({"latents": latents}, metadata={_OF: _autoencoder(source)}))


def stored_latents(folder: Path, count: int, source: Path) -> torch.Tensor | None:
    """The latents stored by ``keep``; None unless they are ``count`` of the same autoencoder."""
    from safetensors import safe_open

    file = folder / LATENTS
    if not file.is_file():
        return None
    with safe_open(file, "pt") as saved:
        if saved.metadata().get(_OF) != _autoencoder(source):
            return None
        latents = saved.get_tensor("latents")
    return latents if len(latents) == count else None


def _autoencoder(source: Path) -> str:
    folder = source / family_of(source).decoder.folder
    files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors"))
    return hashlib.sha256("".join(f"{file.name}\0{hash_file(file)}\n" for file in files).encode()).hexdigest()
