"""How often a tensor takes which values, at a bounded memory, and the ranges that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.compress.quantize.weights.grid import Activation

if TYPE_CHECKING:
    import numpy as np

BINS = 2048
_FINEST = -100
"""Smallest exponent of a bin's width: that of a tensor of zeros."""
_CUTS, _CUTS_PER_HALF = 48, 6
"""Ends that are tried at each side, from the extreme to 0.4 % of it, so many until half of it."""


@dataclass
class Histogram:
    """Counts in at most ``BINS`` bins of one width, a power of two; they reach to zero, which is an edge.

    When a value doesn't fit, the width doubles and bins are merged in pairs: the counts are those that the final bins
    would have had from the start, whatever the order of the values.
    """

    exponent: int = 0
    first: int = 0
    """The first bin begins at ``first`` times the width."""
    counts: np.ndarray | None = field(default=None, repr=False)
    low: float = math.inf
    high: float = -math.inf

    @property
    def width(self) -> float:
        """Of a bin."""
        return 2.0**self.exponent

    def add(self, values: np.ndarray) -> None:
        """Counts ``values``, of any shape.

        Raises:
            ValueError: a value isn't finite.
        """
        import numpy as np

        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("a value isn't finite")
        self.low, self.high = min(self.low, low), max(self.high, high)
        lowest, highest = min(self.low, 0.0), max(self.high, 0.0)
        if self.counts is None:
            span = highest - lowest
            self.exponent = max(math.frexp(span / BINS)[1] - 1, _FINEST) if span else _FINEST
            self.counts = np.zeros(0, np.int64)
        while math.floor(highest / self.width) - math.floor(lowest / self.width) >= BINS:
            self._merge()
        first, last = math.floor(lowest / self.width), math.floor(highest / self.width)
        if first < self.first or last >= self.first + len(self.counts):
            self.counts = np.pad(self.counts, (self.first - first, last + 1 - self.first - len(self.counts)))
            self.first = first
        where = np.floor(values.ravel() * np.float32(1 / self.width)).astype(np.int64) - self.first
        self.counts += np.bincount(where, minlength=len(self.counts))

    def state(self) -> dict[str, np.ndarray]:
        """All of it: the counts, and four numbers."""
        import numpy as np

        assert self.counts is not None
        return {"counts": self.counts, "of": np.array([self.exponent, self.first, self.low, self.high], np.float64)}

    @classmethod
    def restored(cls, counts: np.ndarray, of: np.ndarray) -> Histogram:
        """What ``state`` was taken of."""
        return cls(int(of[0]), int(of[1]), counts.copy(), float(of[2]), float(of[3]))

    def edges(self) -> np.ndarray:
        """Of the bins, float64 [bins + 1]."""
        import numpy as np

        assert self.counts is not None
        return (np.arange(len(self.counts) + 1) + self.first) * self.width

    def _merge(self) -> None:
        import numpy as np

        assert self.counts is not None
        before = self.first % 2
        counts = np.pad(self.counts, (before, (len(self.counts) + before) % 2))
        self.counts = counts.reshape(-1, 2).sum(axis=1)
        self.first, self.exponent = self.first // 2, self.exponent + 1


def percentile_range(histogram: Histogram, percentile: float) -> tuple[float, float]:
    """Low and high between which ``percentile`` % of the values lie, as many below as above."""
    import numpy as np

    assert histogram.counts is not None
    below = np.concatenate([[0], histogram.counts.cumsum()]) / histogram.counts.sum()
    tail = (1 - percentile / 100) / 2
    ends = np.interp([tail, 1 - tail], below, histogram.edges())
    low, high = np.clip(ends, histogram.low, histogram.high)  # a bin reaches beyond its values
    return float(low), float(high)


def mse_range(histogram: Histogram, bits: int) -> tuple[float, float]:
    """Low and high of the grid of ``bits`` with the least ``expected_error``.

    Both ends are drawn in together from the extremes, then each in turn until neither gains.
    """
    import numpy as np

    ends = (min(histogram.low, 0.0), max(histogram.high, 0.0))
    cuts = 2.0 ** (-np.arange(_CUTS) / _CUTS_PER_HALF)

    def best_of(low: np.ndarray, high: np.ndarray) -> tuple[float, float, float]:
        tried = [(float(a), float(b)) for a, b in zip(*np.broadcast_arrays(low, high), strict=True)]
        return min((expected_error(histogram, a, b, bits), a, b) for a, b in tried)

    least, low, high = best_of(ends[0] * cuts, ends[1] * cuts)
    while True:
        before = least
        least, low, high = min((least, low, high), best_of(ends[0] * cuts, np.array([high])))
        least, low, high = min((least, low, high), best_of(np.array([low]), ends[1] * cuts))
        if least == before:
            return low, high


def expected_error(histogram: Histogram, low: float, high: float, bits: int) -> float:
    """Mean squared error of values rounded to ``Activation(low, high, bits)``, clipped ones included.

    Values count as spread evenly inside their bin, so that the integral over each bin is exact, however many steps of
    the grid lie in it.
    """
    import numpy as np

    assert histogram.counts is not None
    grid = Activation(low, high, bits)
    edges = histogram.edges() / grid.scale
    step = np.clip(np.rint(edges), -grid.zero_point, (1 << bits) - 1 - grid.zero_point)
    # The antiderivative of (u - step(u))²: 1/12 for each whole step, then the cube of what is left.
    up_to = step / 12 + (edges - step) ** 3 / 3
    squares = np.diff(up_to) / np.diff(edges) * grid.scale**2
    return float(squares @ histogram.counts / histogram.counts.sum())
