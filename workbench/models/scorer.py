"""A model's own scorer: a small contrastive text-image pair, stored beside the demo model.

It is not CLIP and its scores are never called so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workbench.models.families import family_of
from workbench.models.tokens import Tokens, load_tokens

PICTURE = 64
FOLDER = "scorer"
"""Where a model folder keeps it."""


class ImageTower(nn.Module):
    """Pictures float [B, 3, 64, 64] in [-1, 1] to features [B, ``features``]; strided convolutions, mean and linear."""

    def __init__(self, features: int = 128, widths: tuple[int, ...] = (32, 64, 128, 192)) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 3
        for width in widths:
            blocks += [
                nn.Conv2d(before, width, 3, stride=2, padding=1),
                nn.GroupNorm(8, width),
                nn.GELU(),
                nn.Conv2d(width, width, 3, padding=1, groups=width),
                nn.Conv2d(width, width, 1),
                nn.GELU(),
            ]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(before * 16)
        self.project = nn.Linear(before * 16, features, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features [B, F], not normalised."""
        x = functional.adaptive_avg_pool2d(self.blocks(x), 4).flatten(1)
        return self.project(self.norm(x))


class ContrastivePair(nn.Module):
    """Text tower (``CLIPTextModelWithProjection``) and image tower into one space of unit vectors."""

    def __init__(self, text: Any, image: ImageTower) -> None:
        super().__init__()
        self.text = text
        self.positions: int = text.config.max_position_embeddings
        self.image = image
        self.logit_scale = nn.Parameter(torch.tensor(2.66))

    def text_features(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Token ids [B, L] to unit vectors [B, F]."""
        return functional.normalize(self.text(input_ids).text_embeds.float(), dim=-1)

    def image_features(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures [B, 3, 64, 64] in [-1, 1] to unit vectors [B, F]."""
        return functional.normalize(self.image(pictures).float(), dim=-1)


class Scorer:
    """A pair with the tokens of its captions: features of texts and pictures as arrays."""

    def __init__(self, pair: ContrastivePair, tokens: Tokens) -> None:
        self._pair, self._tokens = pair, tokens

    def texts(self, captions: Sequence[str]) -> np.ndarray:
        """Unit vectors [N, F] of captions."""
        ids = torch.from_numpy(self._tokens(captions))
        with torch.inference_mode():
            return torch.cat([self._pair.text_features(part) for part in ids.split(256)]).numpy()

    def images(self, pictures: np.ndarray) -> np.ndarray:
        """Unit vectors [N, F] of pictures uint8 [N, H, W, 3]."""
        with torch.inference_mode():
            return torch.cat([self._pair.image_features(part) for part in to_tensor(pictures).split(128)]).numpy()

    def agreement(self, pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
        """How well each picture fits its caption: cosines [N]."""
        return (self.images(pictures) * self.texts(captions)).sum(1)


def load_scorer(source: Path) -> Scorer | None:
    """The scorer of a model folder (``scorer/``), or None when it has none.

    Its text tower is the folder's own text encoder, never a candidate's.
    """
    from safetensors.torch import load_file
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    folder = source / FOLDER
    if not (folder / "config.json").is_file():
        return None
    part = family_of(source).prompt_encoder
    encoder = source / part.folder
    features = json.loads((folder / "config.json").read_text())["features"]
    config = CLIPTextConfig.from_pretrained(encoder)
    config.projection_dim = features
    pair = ContrastivePair(CLIPTextModelWithProjection(config), ImageTower(features)).float()
    weights = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    tower = load_file(encoder / f"{part.stem}.safetensors")
    prefix = "" if any(k.startswith("text_model.") for k in tower) else "text_model."
    weights |= {f"text.{prefix}{k}": v.float() for k, v in tower.items()}
    pair.load_state_dict(weights)
    return Scorer(pair.eval(), load_tokens(source))


def to_tensor(pictures: np.ndarray) -> torch.Tensor:
    """Pictures uint8 [N, H, W, 3] as the image tower takes them: float [N, 3, 64, 64] in [-1, 1]."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return x if x.shape[-1] == PICTURE else functional.interpolate(x, (PICTURE, PICTURE), mode="area")
