"""The network that FID is defined on: Inception v3 (arXiv 1512.00567) as TensorFlow's graph of 2015-12-05 has it.

It differs from torchvision's, which has the same names: 1008 classes, averages that don't count the padding, a largest
value instead of an average in the last block, and pictures that are stretched as TensorFlow 1 does it, without
antialiasing. Weights: ``pt_inception-2015-12-05-6726825d.pth`` (pytorch-fid) or
``weights-inception-2015-12-05-6726825d.pth`` (torch-fidelity), Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.models.weights import Shape

if TYPE_CHECKING:
    import torch

SIDE = 299
"""Of what pictures are stretched to."""
WIDTH = 2048
"""Of the features: the last block's, mean over a picture."""
_CLASSES = 1008
_EPSILON = 0.001


class _Conv(NamedTuple):
    """A convolution with its normalisation and ReLU; ``same``: whether the picture keeps its size."""

    name: str
    width: int
    kernel: tuple[int, int]
    stride: int = 1
    same: bool = True

    @property
    def padding(self) -> tuple[int, int]:
        high, wide = self.kernel
        return (high // 2, wide // 2) if self.same else (0, 0)


class _Block(NamedTuple):
    """Branches side by side, each of stages in a row, each of convolutions side by side; then what is pooled.

    ``pool``: ``average``, ``largest`` or ``halved``; ``pooled``: the width of the convolution behind it, 0 for none.
    """

    name: str
    branches: tuple[tuple[tuple[_Conv, ...], ...], ...]
    pool: str
    pooled: int = 0


def _branch(name: str, *stages: str) -> tuple[tuple[_Conv, ...], ...]:
    """From ``64 1x1``, ``96 3x3/2`` (halves the picture), ``384 1x3 + 384 3x1`` (side by side)."""
    found = []
    for i, stage in enumerate(stages, 1):
        parts = stage.split(" + ")
        number = f"_{i}" if len(stages) > 1 else ""
        names = [f"{name}{number}{letter}" for letter in ("ab" if len(parts) > 1 else [""])]
        found.append(tuple(_parsed(name, part) for name, part in zip(names, parts, strict=True)))
    return tuple(found)


def _parsed(name: str, text: str) -> _Conv:
    width, shape = text.split()
    size, _, stride = shape.partition("/")
    high, wide = map(int, size.split("x"))
    return _Conv(name, int(width), (high, wide), int(stride or 1), same=not stride)


def _sevens(name: str, width: int) -> _Block:
    deep = _branch("branch7x7dbl", f"{width} 1x1", f"{width} 7x1", f"{width} 1x7", f"{width} 7x1", "192 1x7")
    flat = _branch("branch7x7", f"{width} 1x1", f"{width} 1x7", "192 7x1")
    return _Block(name, (_branch("branch1x1", "192 1x1"), flat, deep), "average", 192)


def _wide(name: str, pool: str) -> _Block:
    flat = _branch("branch3x3", "384 1x1", "384 1x3 + 384 3x1")
    deep = _branch("branch3x3dbl", "448 1x1", "384 3x3", "384 1x3 + 384 3x1")
    return _Block(name, (_branch("branch1x1", "320 1x1"), flat, deep), pool, 192)


_STEM = (
    (_Conv("Conv2d_1a_3x3", 32, (3, 3), 2, same=False), False),
    (_Conv("Conv2d_2a_3x3", 32, (3, 3), same=False), False),
    (_Conv("Conv2d_2b_3x3", 64, (3, 3)), True),
    (_Conv("Conv2d_3b_1x1", 80, (1, 1)), False),
    (_Conv("Conv2d_4a_3x3", 192, (3, 3), same=False), True),
)
"""With whether the picture is halved behind it."""
_DEEP = ("branch3x3dbl", "64 1x1", "96 3x3")
_FIVES = (_branch("branch1x1", "64 1x1"), _branch("branch5x5", "48 1x1", "64 5x5"), _branch(*_DEEP, "96 3x3"))
_LAST_SEVENS = _branch("branch7x7x3", "192 1x1", "192 1x7", "192 7x1", "192 3x3/2")
_BLOCKS = (
    *(_Block(name, _FIVES, "average", width) for name, width in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64))),
    _Block("Mixed_6a", (_branch("branch3x3", "384 3x3/2"), _branch(*_DEEP, "96 3x3/2")), "halved"),
    *map(_sevens, ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), (128, 160, 160, 192)),
    _Block("Mixed_7a", (_branch("branch3x3", "192 1x1", "320 3x3/2"), _LAST_SEVENS), "halved"),
    *map(_wide, ("Mixed_7b", "Mixed_7c"), ("average", "largest")),
)


def _convolutions() -> Iterator[tuple[str, int, _Conv]]:
    """All of them with the weights' name and the width of their input."""
    width = 3
    for conv, _ in _STEM:
        yield conv.name, width, conv
        width = conv.width
    for block in _BLOCKS:
        joined = block.pooled or width
        for branch in block.branches:
            inner = width
            for stage in branch:
                yield from ((f"{block.name}.{conv.name}", inner, conv) for conv in stage)
                inner = sum(conv.width for conv in stage)
            joined += inner
        if block.pooled:
            yield f"{block.name}.branch_pool", width, _Conv("branch_pool", block.pooled, (1, 1))
        width = joined


def shapes() -> dict[str, Shape]:
    """Of the weights, by name. The classes, which no feature needs, tell FID's network from torchvision's."""
    found: dict[str, Shape] = {"fc.weight": (_CLASSES, WIDTH)}
    for name, width, conv in _convolutions():
        found[f"{name}.conv.weight"] = (conv.width, width, *conv.kernel)
        parts = ("weight", "bias", "running_mean", "running_var")
        found |= {f"{name}.bn.{part}": (conv.width,) for part in parts}
    return found


class Inception:
    """From pictures uint8 [B, H, W, 3] to features float32 [B, 2048]."""

    def __init__(self, weights: Mapping[str, torch.Tensor]) -> None:
        self._weights = {name: weights[name].float() for name in shapes()}

    def __call__(self, pictures: np.ndarray) -> torch.Tensor:
        """The features."""
        import torch

        with torch.inference_mode():
            whole = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
            x = (_stretched(_stretched(whole, 3), 2) - 128) / 128
            for conv, halved in _STEM:
                x = self._conv(conv.name, conv, x)
                x = torch.nn.functional.max_pool2d(x, 3, 2) if halved else x
            for block in _BLOCKS:
                x = self._block(block, x)
            return x.mean((2, 3))

    def _block(self, block: _Block, x: torch.Tensor) -> torch.Tensor:
        import torch

        joined = []
        for branch in block.branches:
            y = x
            for stage in branch:
                y = torch.cat([self._conv(f"{block.name}.{conv.name}", conv, y) for conv in stage], 1)
            joined.append(y)
        pools = {
            "average": lambda: torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
            "largest": lambda: torch.nn.functional.max_pool2d(x, 3, 1, 1),
            "halved": lambda: torch.nn.functional.max_pool2d(x, 3, 2),
        }
        y = pools[block.pool]()
        if block.pooled:
            y = self._conv(f"{block.name}.branch_pool", _Conv("branch_pool", block.pooled, (1, 1)), y)
        return torch.cat([*joined, y], 1)

    def _conv(self, name: str, conv: _Conv, x: torch.Tensor) -> torch.Tensor:
        import torch

        w = self._weights
        x = torch.nn.functional.conv2d(x, w[f"{name}.conv.weight"], None, conv.stride, conv.padding)
        scale, shift, mean, variance = (
            w[f"{name}.bn.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return torch.nn.functional.batch_norm(x, mean, variance, scale, shift, eps=_EPSILON).relu_()


def _stretched(x: torch.Tensor, axis: int) -> torch.Tensor:
    """One axis of pictures brought to ``SIDE``, linear between the two pixels about ``i * size / SIDE``.

    TensorFlow 1 does it so without ``align_corners``: pixels' corners are compared, not their centres.
    """
    import torch

    size = x.shape[axis]
    place = torch.arange(SIDE, dtype=torch.float32) * torch.tensor(size / SIDE, dtype=torch.float32)
    low = place.long()
    part = (place - low).reshape([-1 if i == axis else 1 for i in range(4)])
    a, b = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=size - 1))
    return a + (b - a) * part
