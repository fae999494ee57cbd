"""Last stage of the demo model: one diffusers pipeline folder in fp16, with its scorer and its data beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.demo.autoencoder import encode
from workbench.demo.pictures import Pictures
from workbench.demo.unet import new_scheduler

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTokenizer

    from workbench.models.scorer import ContrastivePair


def pack(
    pictures: Pictures,
    autoencoder: AutoencoderKL,
    pair: ContrastivePair,
    tokenizer: CLIPTokenizer,
    unet: UNet2DConditionModel,
    out: Path,
) -> None:
    """Writes the pipeline (``from_pretrained`` reads it), ``scorer/`` and ``data/`` to ``out``."""
    from diffusers import StableDiffusionPipeline

    from workbench.demo.scorer import text_encoder_of

    _write_data(pictures, autoencoder, pair, out / "data")
    _write_scorer(pair, out / "scorer")
    pipeline = StableDiffusionPipeline(
        vae=autoencoder.half(),
        text_encoder=text_encoder_of(pair).half(),
        tokenizer=tokenizer,
        unet=unet.half(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(out, safe_serialization=True)


def _write_scorer(pair: ContrastivePair, folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v for k, v in pair.state_dict().items() if not k.startswith("text.text_model")}
    save_file({k: v.detach().half().contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
    config = {"name": "demo", "features": pair.image.project.out_features, "picture": 64}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def _write_data(pictures: Pictures, autoencoder: AutoencoderKL, pair: ContrastivePair, folder: Path) -> None:
    """Latents, captions and scorer features of every picture; the split says which ones training never saw."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    train, held = pictures.pairs(False), pictures.pairs(True)
    concept, background = (np.concatenate(v) for v in zip(train, held, strict=True))
    with torch.no_grad():
        features = torch.cat([pair.image_features(x) for x in pictures.batches(concept, background, 128)])
    latents = encode(autoencoder, pictures, concept, background)
    save_file(
        {"latents": latents.half().contiguous(), "features": features.half().contiguous()},
        folder / "pictures.safetensors",
    )
    rows = [
        {"caption": caption, "split": "train" if i < len(train[0]) else "held_out"}
        for i, caption in enumerate(pictures.captions(concept, background))
    ]
    (folder / "captions.json").write_text(json.dumps(rows, indent=0) + "\n")
