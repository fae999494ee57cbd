"""Multiply-accumulates of an einsum, from its equation and the shapes of its operands."""

from __future__ import annotations

import math
from collections.abc import Sequence


def einsum_macs(equation: str, shapes: Sequence[Sequence[int]], constant: Sequence[bool]) -> tuple[int, int]:
    """The multiply-accumulates of products with a constant, and of products of two activations.

    Operands are contracted one after another from the left, as in PyTorch (without opt_einsum) and ONNX Runtime. An
    index of only one operand is summed before; without a contracted index the operands are multiplied element by
    element. Neither is a matrix product, so neither is counted.

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
        result = set(_spread(right, None, rank))
    else:  # indices that occur once, and those of "..."
        every = [index for indices in spread for index in indices]
        result = {index for index in every if every.count(index) == 1 or index.startswith(".")}

    weighted = pairs = 0
    current, is_constant = set(spread[0]), constant[0]
    for at in range(1, len(spread)):
        operand = set(spread[at])
        needed = result.union(*spread[at + 1 :])
        indices_of_product = (current & operand) | ((current | operand) & needed)
        if (current & operand) - needed:
            macs = math.prod(size[index] for index in indices_of_product)
            if is_constant or constant[at]:
                weighted += macs
            else:
                pairs += macs
        current, is_constant = indices_of_product & needed, is_constant and constant[at]
    return weighted, pairs


def _spread(term: str, rank: int | None, most: int) -> list[str]:
    """Indices of a term; those of "..." are numbered from the right."""
    before, dots, after = term.partition("...")
    count = 0 if not dots else most if rank is None else rank - len(before) - len(after)
    return [*before, *(f".{most - count + i}" for i in range(count)), *after]
