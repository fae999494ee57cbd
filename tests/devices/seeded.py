"""The runner's seeded inputs, made on this machine bit for bit (``runner/tensors.h``), so that outputs can be compared.

A counter-based use of splitmix64's output function (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, 2014): element j of input i is ``mix(mix(seed + (i+1)·G) + (j+1)·G)``, G the 64-bit golden ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

INT_BELOW = 8
"""Seeded integers are in [0, this): valid as tokens, indices and steps of any model."""
_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_FLOATS = {"float32": 24, "float64": 53, "float16": 11}


def seeded(shape: Sequence[int], kind: str, seed: int, index: int, int_below: int = INT_BELOW) -> np.ndarray:
    """An input as the runner makes it.

    Args:
        shape: of the input.
        kind: its numpy type: floats are in [-1, 1), integers in [0, ``int_below``), booleans either.
        seed: of the job, not negative.
        index: the input's place among the model's inputs, from 0.
        int_below: bound of integers.

    Raises:
        ValueError: the type has no seeded values.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        base = _mix(np.array([(seed + (index + 1) * _GOLDEN) & _MASK], dtype=np.uint64))
        places = np.arange(1, math.prod(shape) + 1, dtype=np.uint64)
        bits = _mix(base + places * np.uint64(_GOLDEN))
    if kind in _FLOATS:
        kept = _FLOATS[kind]
        values = (bits >> np.uint64(64 - kept)).astype(np.float64) * 2.0 ** (1 - kept) - 1
    elif kind == "bool":
        values = (bits >> np.uint64(63)).astype(bool)
    elif np.issubdtype(np.dtype(kind), np.integer):
        values = bits % np.uint64(int_below)
    else:
        raise ValueError(f"no seeded values for type {kind}")
    return values.astype(kind).reshape(tuple(shape))


def _mix(z: np.ndarray) -> np.ndarray:
    import numpy as np

    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
