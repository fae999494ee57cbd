"""Kinds of work: what an executed operator does, by the name that its runtime gives it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

INT8, FLOAT, CONVERSION, MOVE, REST = "int8 products", "float products", "conversions", "moves", "everything else"
KINDS = (INT8, FLOAT, CONVERSION, MOVE, REST)
"""``conversions`` turn one number format into another; ``moves`` change place, order or shape and no number;
``everything else``: norms, softmax, activations, sums."""

_FLOATS = ("fp32", "fp16", "bf16", "")
VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")
"""Moves that leave the numbers where they are: what they take is the profiler's time, not theirs."""
MOVES = (
    *VIEWS, "Transpose", "Concat", "Split", "Slice", "Pad", "Expand", "Tile", "Gather", "DepthToSpace", "SpaceToDepth",
    "Dropout",
)  # fmt: skip
"""Moves that most runtimes call alike."""


@dataclass(frozen=True)
class Kernels:
    """A runtime's operators by the kind of their work; what isn't named does something else (``REST``).

    ``integers``: how the names of operators begin that multiply integers. ``by_scheme``: the names don't tell it there,
    but the scheme that a layer's products are stored in. ``wrapped``: a regular expression of what the runtime puts
    before an operator's name when it computes more than that, or computes it in integers.
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
        """The operator's name without what the runtime put before it."""
        return re.sub(f"^({self.wrapped})", "", op)


def together(every: Iterable[Kernels]) -> Kernels:
    """What several runtimes call their operators, for names of which nobody knows whose they are."""
    known = list(every)
    return Kernels(
        products=tuple(op for one in known for op in one.products),
        integers=tuple(op for one in known for op in one.integers),
        conversions=tuple(op for one in known for op in one.conversions),
        moves=tuple(op for one in known for op in one.moves),
        wrapped="|".join(one.wrapped for one in known if one.wrapped),
    )
