"""The numbers that a quantized tensor can take: grids of weights and of activations, and weights on their grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Grid:
    """Symmetric integers of ``bits`` for a weight matrix [N, K] and how many weights share a scale.

    ``group``: that many neighbours in a row; None: a whole row (one output channel). ``per_tensor``: the whole matrix.
    """

    bits: int
    group: int | None = None
    per_tensor: bool = False

    @property
    def low(self) -> int:
        """Smallest integer, such as -8 for 4 bits."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest integer, such as 7 for 4 bits."""
        return (1 << (self.bits - 1)) - 1

    def columns(self, width: int) -> int:
        """Columns that share a scale in rows of ``width``."""
        return width if self.group is None or self.per_tensor else self.group


@dataclass(frozen=True)
class Rounded:
    """A weight matrix on its grid.

    ``integers`` int8 [N, K]; ``scales`` float32 [N, K / group], [N, 1] per channel, [1, 1] per tensor.
    """

    integers: np.ndarray
    scales: np.ndarray
    grid: Grid

    def weights(self) -> np.ndarray:
        """The weights that the integers stand for, float32 [N, K]."""
        import numpy as np

        if self.grid.per_tensor:
            return self.integers.astype(np.float32) * self.scales
        columns = self.grid.columns(self.integers.shape[1])
        return self.integers.astype(np.float32) * np.repeat(self.scales, columns, axis=1)


@dataclass(frozen=True)
class Activation:
    """Unsigned integers of ``bits`` for a tensor whose values lie in ``low`` … ``high``; zero is one of its numbers."""

    low: float
    high: float
    bits: int

    @property
    def scale(self) -> float:
        """Step between neighbours; 1 where the tensor is zero throughout."""
        span = max(self.high, 0.0) - min(self.low, 0.0)
        return span / ((1 << self.bits) - 1) if span > 0 else 1.0

    @property
    def zero_point(self) -> int:
        """The integer that stands for zero."""
        return min(max(round(-min(self.low, 0.0) / self.scale), 0), (1 << self.bits) - 1)
