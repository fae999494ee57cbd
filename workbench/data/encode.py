"""Pictures as latents of a model's autoencoder; data sets of a recipe store them beside their pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.broken import first, unusable
from workbench.data.forms import read_rows
from workbench.data.operation import Done, Row
from workbench.data.pictures import batches, fitted, read
from workbench.errors import InputError
from workbench.limits import fitting
from workbench.models.families import family_of
from workbench.progress import Progress, quiet
from workbench.store.files import hash_file, write_atomic

if TYPE_CHECKING:
    import numpy as np
    import torch

LATENTS = "latents.safetensors"
_OF = "autoencoder"
_BATCH, _PIXELS, _BYTES = 16, 1 << 18, 2700
"""Pictures that the autoencoder takes at once, their pixels, and bytes a pixel: one of 512 x 512 takes 0.7 GB."""


def at_once(source: Path) -> int:
    """How many pictures of the pipeline in ``source`` go through its autoencoder at once."""
    family = family_of(source)
    height, width = family.sides(family.configs(source))
    return fitting(min(_BATCH, max(1, _PIXELS // (height * width))), _BYTES * height * width)


def encode(rows: Sequence[Row], source: Path, progress: Progress = quiet) -> tuple[torch.Tensor, Done]:
    """Latents float [N, C, h, w] as the denoiser takes them, and their rows; without those that are broken.

    The latents are the autoencoder's means, not samples. Pictures are cropped to their centre. ``source``: the
    pipeline's folder.

    Raises:
        InputError: no picture can be read.
    """
    import numpy as np
    import torch

    family = family_of(source)
    vae = family.decoder.net(source / family.decoder.folder)
    (height, width), (scale, shift) = family.sides(family.configs(source)), family.scaling(source)
    latents, done = [], Done([])
    with progress("encode", len(rows)) as tick, torch.inference_mode():
        for batch in batches(rows, at_once(source)):
            if pictures := _pictures(batch, (width, height), done):
                x = torch.from_numpy(np.stack(pictures) / 127.5 - 1).permute(0, 3, 1, 2)
                encoded = vae.encode(x)  # a tiny autoencoder's latents have no spread
                means = encoded.latents if "latents" in encoded else encoded.latent_dist.mean
                latents.append((means - shift) * scale)
            tick(len(done.rows) + len(done.dropped))
    if not latents:
        raise InputError(f"data: no picture can be used: {first(done.dropped)}")
    return torch.cat(latents).clone(), done


def _pictures(batch: Sequence[Row], size: tuple[int, int], done: Done) -> list[np.ndarray]:
    pictures: list[np.ndarray] = []
    for row in batch:
        if drop := unusable(row, lambda part: pictures.append(fitted(read(part), size).astype("float32"))):
            done.dropped.append(drop)
        else:
            done.rows.append(row)
    return pictures


def keep(folder: Path, source: Path, progress: Progress = quiet) -> None:
    """Encodes the pictures of the data set in ``folder`` and stores the latents beside them."""
    from safetensors.torch import save

    latents = encode(read_rows(folder), source, progress)[0].contiguous()
    write_atomic(folder / LATENTS, save({"latents": latents}, metadata={_OF: autoencoder(source)}))


def stored_latents(folder: Path, count: int, source: Path) -> torch.Tensor | None:
    """The latents stored by ``keep``; None unless they are ``count`` of the same autoencoder and size."""
    from safetensors import safe_open

    file = folder / LATENTS
    if not file.is_file():
        return None
    with safe_open(file, "pt") as saved:
        if saved.metadata().get(_OF) != autoencoder(source):
            return None
        latents = saved.get_tensor("latents")
    return latents if len(latents) == count else None


def autoencoder(source: Path) -> str:
    """A hash of what encodes: the autoencoder's files, and the pictures' sides."""
    family = family_of(source)
    folder, sides = source / family.decoder.folder, family.sides(family.configs(source))
    files = sorted(file for file in folder.iterdir() if file.suffix in (".json", ".safetensors"))
    contents = "".join(f"{file.name}\0{hash_file(file)}\n" for file in files)
    return hashlib.sha256(f"{sides}\n{contents}".encode()).hexdigest()
