"""Small networks of the right architecture with random weights, in folders as users have them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from workbench.metrics.config import MetricConfig
from workbench.models.sources import demo_folder

SIDE = 32


def pictures(count: int, side: int = 40, seed: int = 0) -> np.ndarray:
    """Smooth random pictures uint8 [N, S, S, 3] that differ from one another."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(picture).resize((side, side))) for picture in coarse])


def write_pictures(folder: Path, rows: np.ndarray) -> Path:
    folder.mkdir()
    for i, row in enumerate(rows):
        Image.fromarray(row).save(folder / f"{i:03d}.png")
    return folder


def processor(folder: Path) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )


def clip_folder(folder: Path) -> Path:
    """A CLIPModel, the embedded model's tokenizer, which is CLIP's, and a processor."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    shared: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    shutil.copytree(demo_folder() / "tokenizer", folder)
    text = {**shared, "vocab_size": 4000, "max_position_embeddings": 12, "eos_token_id": 1, "bos_token_id": 0}
    vision = {**shared, "image_size": SIDE, "patch_size": 8}
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    model.save_pretrained(folder)
    processor(folder)
    return folder


def vision_folder(folder: Path, kind: str) -> Path:
    import torch
    import transformers as t

    vit: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "image_size": SIDE}
    stages: dict[str, Any] = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 12, 16, 24]}
    torch.manual_seed(0)
    models = {
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**vit, patch_size=8, mlp_ratio=2)),
        "vit": lambda: t.ViTModel(t.ViTConfig(**vit, patch_size=8, intermediate_size=64), add_pooling_layer=False),
        "resnet": lambda: t.ResNetModel(t.ResNetConfig(**stages, embedding_size=8, layer_type="basic")),
        "convnext": lambda: t.ConvNextModel(t.ConvNextConfig(**stages)),
    }
    models[kind]().save_pretrained(folder)
    processor(folder)
    return folder


def told(config: MetricConfig, count: int = 100) -> list[str]:
    """Everything that a recipe with these settings is refused for."""
    return [f"{key}: {what}" for key, what in config.problems(count)]
