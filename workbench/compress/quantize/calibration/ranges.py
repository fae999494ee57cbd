"""The range of each tensor that is quantized, over all passes of a calibration: memory doesn't grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from workbench.compress.quantize.calibration.histograms import Histogram, mse_range, percentile_range
from workbench.compress.quantize.calibration.observe import EXTREMES
from workbench.errors import RunError

if TYPE_CHECKING:
    import numpy as np

Method = Literal["minmax", "moving_average", "percentile", "mse"]

MOMENTUM = 0.95
"""Of the running minimum and maximum (Q-Diffusion's value)."""
PERCENTILE = 99.99


class Ranges:
    """Finds low and high of some tensors from the values that ``Observed`` hands over.

    ``minmax``: the extremes of all passes; ``moving_average``: of each pass's extremes. Both come from nodes in the
    graph, the tensors themselves never leave the runtime. ``percentile``: as many values are cut off below as above;
    ``mse``: least expected squared error on a grid of ``bits``. Both come from histograms, for which the tensors of one
    pass at a time leave the runtime.

    Args:
        tensors: names of values or inputs of a graph.
        method: how low and high follow from the values.
        percentile: of the values that lie between low and high, in %.
        bits: of the grid that ``mse`` is for.

    Attributes:
        tensors: whose values have to be handed over.
        extremes: whose extremes have to be.
    """

    def __init__(
        self, tensors: Iterable[str], method: Method = "minmax", percentile: float = PERCENTILE, bits: int = 8
    ) -> None:
        names = sorted(set(tensors))
        self.tensors: Sequence[str] = names
        self.extremes: Sequence[str] = ()
        self._fold: _Extremes | _Histograms
        if method == "minmax" or method == "moving_average":
            self._fold = _Extremes(names, 0.0 if method == "minmax" else MOMENTUM)
            self.tensors, self.extremes = (), names
        elif method == "percentile":
            self._fold = _Histograms(names, lambda histogram: percentile_range(histogram, percentile))
        else:
            self._fold = _Histograms(names, lambda histogram: mse_range(histogram, bits))

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        """Folds one pass in.

        Raises:
            RunError: a tensor holds a value that isn't finite.
        """
        self._fold.add(values)

    def result(self) -> Mapping[str, tuple[float, float]]:
        """Tensor to (low, high); there has to have been a pass."""
        return self._fold.result()

    def state(self) -> Mapping[str, np.ndarray]:
        """What was folded in, as arrays."""
        return self._fold.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from where ``state`` was taken."""
        self._fold.restore(state)


class _Extremes:
    """Two numbers for each tensor: its extremes, or with a ``momentum`` the moving averages of each pass's."""

    def __init__(self, names: Sequence[str], momentum: float) -> None:
        self._names, self._momentum = names, momentum
        self._ends: np.ndarray | None = None
        """[low or high, tensor]"""

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        import numpy as np

        ends = np.array([[values[f"{name}/{op}"] for name in self._names] for op in EXTREMES], np.float32)
        for name, (low, high) in zip(self._names, ends.T, strict=True):
            if not (np.isfinite(low) and np.isfinite(high)):
                raise _not_finite(name)
        if self._ends is None:
            self._ends = ends
        elif self._momentum:
            self._ends = self._momentum * self._ends + (1 - self._momentum) * ends
        else:
            self._ends = np.stack([np.minimum(self._ends[0], ends[0]), np.maximum(self._ends[1], ends[1])])

    def result(self) -> dict[str, tuple[float, float]]:
        assert self._ends is not None
        return {name: (float(low), float(high)) for name, low, high in zip(self._names, *self._ends, strict=True)}

    def state(self) -> dict[str, np.ndarray]:
        assert self._ends is not None
        return {"ends": self._ends}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self._ends = state["ends"]


class _Histograms:
    """A histogram of each tensor, from which ``find`` gets its range."""

    def __init__(self, names: Sequence[str], find: Callable[[Histogram], tuple[float, float]]) -> None:
        self._histograms = {name: Histogram() for name in names}
        self._find = find

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        for name, histogram in self._histograms.items():
            try:
                histogram.add(values[name])
            except ValueError:
                raise _not_finite(name) from None

    def result(self) -> dict[str, tuple[float, float]]:
        return {name: self._find(histogram) for name, histogram in self._histograms.items()}

    def state(self) -> dict[str, np.ndarray]:
        each = ((name, histogram.state()) for name, histogram in self._histograms.items())
        return {f"{name}/{key}": value for name, state in each for key, value in state.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        for name in self._histograms:
            self._histograms[name] = Histogram.restored(state[f"{name}/counts"], state[f"{name}/of"])


def _not_finite(tensor: str) -> RunError:
    return RunError(f"calibration: {tensor} holds numbers that aren't finite")
