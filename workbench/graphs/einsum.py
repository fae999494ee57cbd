"""Multiply-accumulates of an einsum, from its equation and the shapes of its operands."""

from __future__ import annotations

import math
from collections.abc import Sequence


def einsum_macs(equation: str, shapes: Sequence[Sequence[int]], constant: Sequence[bool]) -> tuple[int, int]:
    """The products' multiply-accumulates, those with a constant and those of two activations.

    Operands are taken in one after the other, from the left, as PyTorch (without opt_einsum) and ONNX Runtime do it. An
    index that one operand alone has is summed before; where nothing is contracted the operands are multiplied element
    by element. Neither is a product of matrices: both count nothing here.

    Raises:
        IndexError: the equation doesn't fit the shapes.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise IndexError(f"{equation}: {len(terms)} operands, {len(shapes)} given")
    rank = max(len(s) - len(t.replace("...", "")) if "..." in t else 0 for t, s in zip(terms, shapes, strict=True))
    spread = [_spread(term, len(shape), rank) for term, shape in zip(terms, shapes, strict=True)]
    size: dict[str, int] = {}
    for indices, shape in zip(spread, shapes, strict=True):
        if len(indices) != len(shape):
            raise IndexError(f"{equation}: {''.join(indices)} doesn't fit {tuple(shape)}")
        for index, side in zip(indices, shape, strict=True):
            size[index] = max(size.get(index, 1), side)  # a side of 1 is stretched
    if arrow:
        kept = set(_spread(right, None, rank))
    else:  # what occurs once, and all that "..." stands for
        every = [index for indices in spread for index in indices]
        kept = {index for index in every if every.count(index) == 1 or index.startswith(".")}

    weighted = pairs = 0
    current, is_constant = set(spread[0]), constant[0]
    for at in range(1, len(spread)):
        other = set(spread[at])
        remaining = kept.union(*spread[at + 1 :])
        both = (current & other) | ((current | other) & remaining)
        if (current & other) - remaining:
            macs = math.prod(size[index] for index in both)
            if is_constant or constant[at]:
                weighted += macs
            else:
                pairs += macs
        current, is_constant = both & remaining, is_constant and constant[at]
    return weighted, pairs


def _spread(term: str, rank: int | None, most: int) -> list[str]:
    """Indices of a term, those that "..." stands for named from the right."""
    before, dots, after = term.partition("...")
    count = 0 if not dots else most if rank is None else rank - len(before) - len(after)
    return [*before, *(f".{most - count + i}" for i in range(count)), *after]
