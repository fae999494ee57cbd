"""Kinds of work: what an executed operator does, by its name in the runtime."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

INT8, FLOAT, CONVERSION, MOVE, REST = "int8 products", "float products", "conversions", "moves", "everything else"
KINDS = (INT8, FLOAT, CONVERSION, MOVE, REST)
"""``conversions`` turn one number format into another; ``moves`` change place, order or shape and no number;
``everything else``: norms, softmax, activations, sums."""

_FLOATS = ("fp32", "fp16", "bf16", "")
VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Moves that leave the numbers where they are: their time is the profiler's."""
MOVES = (
    *VIEWS, "Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Tile", "Gather", "DepthToSpace", "SpaceToDepth",
    "Dropout",
)  # fmt: skip
"""Moves that have these names in most runtimes."""


@dataclass(frozen=True)
class Kernels:
    """A runtime's operators by kind of work; those not listed are ``REST``.

    ``integers``: prefixes of the operators that multiply integers. ``by_scheme``: names don't tell them apart, but the
    scheme in which a layer's products are stored does. ``wrapped``: a regular expression of the prefix that the runtime
    gives an operator that it fuses with others or computes in integers.
    """

    products: tuple[str, ...]
    integers: tuple[str, ...] = ()
    conversions: tuple[str, ...] = ()
    moves: tuple[str, ...] = MOVES
    by_scheme: bool = False
    wrapped: str = ""

    def computes_integers(self, op: str, scheme: str = "fp32") -> bool:
        """Whether a layer multiplies integers: by its main operator, or by the scheme of its products."""
        return scheme not in _FLOATS if self.by_scheme else op.startswith(self.integers)

    def kind(self, op: str, scheme: str = "fp32") -> str:
        """The kind of an operator, one of ``KINDS``; arguments as for ``computes_integers``."""
        if op in self.products or op.startswith(self.integers):
            return INT8 if self.computes_integers(op, scheme) else FLOAT
        if op in self.conversions:
            return CONVERSION
        return MOVE if op in self.moves else REST

    def unwrapped(self, op: str) -> str:
        """The operator's name without the runtime's prefix."""
        return re.sub(f"^({self.wrapped})", "", op)


def merged(runtimes: Sequence[Kernels]) -> Kernels:
    """The operators of several runtimes, for names of an unknown one."""
    return Kernels(
        products=tuple(op for kernels in runtimes for op in kernels.products),
        integers=tuple(op for kernels in runtimes for op in kernels.integers),
        conversions=tuple(op for kernels in runtimes for op in kernels.conversions),
        moves=tuple(op for kernels in runtimes for op in kernels.moves),
        wrapped="|".join(kernels.wrapped for kernels in runtimes if kernels.wrapped),
    )
