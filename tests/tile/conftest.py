"""The embedded model's parts that have attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.tile.attentions import Attention, executed

Part = tuple[Path, dict[str, np.ndarray]]


def unet_attentions(config: dict[str, Any], sides: tuple[int, int], tokens: int) -> list[Attention]:
    """The attentions of a published U-Net in execution order, for latents of these sides and a text of these tokens."""
    import torch

    from workbench.models.unet import meta_unet

    unet: Any = meta_unet(config, None)
    with torch.device("meta"):
        sample = torch.empty(1, unet.config["in_channels"], *sides)
        text = torch.empty(1, tokens, int(unet.config["cross_attention_dim"]))
        return executed(unet, lambda: unet(sample, torch.empty(1), text, return_dict=False))


@pytest.fixture(scope="session")
def unet(exported: dict[str, Path], feeds: dict[str, dict]) -> Part:
    """The U-Net's file, and a feed."""
    return exported["unet"], feeds["unet"]


@pytest.fixture(scope="session")
def text_encoder(exported: dict[str, Path], feeds: dict[str, dict]) -> Part:
    """The text encoder's file, and a feed: its attention has a mask before the softmax and a guard behind it."""
    return exported["text_encoder"], feeds["text_encoder"]
