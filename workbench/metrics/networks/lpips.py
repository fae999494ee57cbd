"""The networks of LPIPS (arXiv 1801.03924): convolutions as torchvision numbers them, read behind five ReLUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.models.weights import Shape

if TYPE_CHECKING:
    import torch

Weights = Mapping[str, "torch.Tensor"]
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of pictures of -1 to 1, a channel each, as the authors have it."""
_TINY = 1e-8


class _Conv(NamedTuple):
    """Layer ``features.PLACE`` with its ReLU; ``pooled``: side of the pooling before it, of stride 2, 0 for none."""

    place: int
    width: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    pooled: int = 0
    read: bool = True


def _vgg() -> tuple[_Conv, ...]:
    """Two blocks of two and three of three convolutions; each block's last is read."""
    convs, place = [], 0
    for block, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        for i in range(count):
            convs.append(_Conv(place, width, pooled=2 if block and not i else 0, read=i == count - 1))
            place += 2
        place += 1
    return tuple(convs)


_LAYERS = {
    "alex": (
        _Conv(0, 64, 11, 4, 2),
        _Conv(3, 192, 5, 1, 2, pooled=3),
        _Conv(6, 384, pooled=3),
        _Conv(8, 256),
        _Conv(10, 256),
    ),
    "vgg": _vgg(),
}


def shapes(net: str) -> dict[str, Shape]:
    """Of the convolutions' weights, by name."""
    found: dict[str, Shape] = {}
    width = 3
    for conv in _LAYERS[net]:
        found[f"features.{conv.place}.weight"] = (conv.width, width, conv.kernel, conv.kernel)
        found[f"features.{conv.place}.bias"] = (conv.width,)
        width = conv.width
    return found


def depths(net: str, weights: Weights, x: torch.Tensor) -> list[torch.Tensor]:
    """What is read of pictures [B, 3, H, W], [B, C, h, w] each."""
    import torch

    found = []
    for conv in _LAYERS[net]:
        if conv.pooled:
            x = torch.nn.functional.max_pool2d(x, conv.pooled, 2)
        weight, bias = (weights[f"features.{conv.place}.{part}"].float() for part in ("weight", "bias"))
        x = torch.nn.functional.conv2d(x, weight, bias, conv.stride, conv.padding).relu()
        found += [x] if conv.read else []
    return found


def distances(net: str, weights: Weights, heads: Weights, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """LPIPS [B] of pictures uint8 [B, H, W, 3] and others, one each; ``heads``: ``linK.model.1.weight``."""
    import torch

    with torch.inference_mode():
        read = [depths(net, weights, _scaled(pictures)) for pictures in (own, other)]
        total = torch.zeros(len(own))
        for k, (a, b) in enumerate(zip(*read, strict=True)):
            squared = (_unit(a) - _unit(b)) ** 2
            total += torch.nn.functional.conv2d(squared, heads[f"lin{k}.model.1.weight"]).mean((1, 2, 3))
        return total.double().numpy()


def _scaled(pictures: np.ndarray) -> torch.Tensor:
    import torch

    whole = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
    shift, scale = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
    return (whole - shift) / scale


def _unit(x: torch.Tensor) -> torch.Tensor:
    """Channels of length 1 at every place."""
    return x / (_TINY + (x**2).sum(1, keepdim=True)).sqrt()
