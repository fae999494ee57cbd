"""The pictures that come with a model as latents, decoded by its autoencoder."""

from __future__ import annotations

from pathlib import Path

from workbench.data.captioned import load
from workbench.data.encode import at_once
from workbench.data.operation import Row
from workbench.data.parts import Span
from workbench.data.pictures import write_png
from workbench.models.families import family_of
from workbench.progress import Progress


def decode(source: Path, state: Path, progress: Progress) -> list[Row]:
    """Every picture as PNG in ``state``, with its caption and split; existing files are kept."""
    import torch

    data = load(None, source)
    rows = [
        Row(Span(state / "decoded" / f"{i:05d}.png"), f"{i:05d}.png", text, split, ours=True)
        for i, (text, split) in enumerate(zip(data.captions, data.split, strict=True))
    ]
    family = family_of(source)
    vae = family.decoder.net(source / family.decoder.folder)
    (scale, shift), count = family.latents(vae.config), at_once(source)
    with progress("decode", len(rows)) as tick, torch.inference_mode():
        for start in range(0, len(rows), count):
            batch = rows[start : start + count]
            if not all(row.picture.file.is_file() for row in batch):
                latents = data.latents[start : start + len(batch)] / scale + shift
                pictures = (vae.decode(latents).sample.clamp(-1, 1) * 127.5 + 127.5).round().byte()
                for row, picture in zip(batch, pictures.permute(0, 2, 3, 1).numpy(), strict=True):
                    write_png(picture, row.picture.file)
            tick(start + len(batch))
    return rows
