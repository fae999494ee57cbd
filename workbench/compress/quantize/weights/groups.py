"""How many weights of a row share a scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from workbench.models.weights import Shape

if TYPE_CHECKING:
    from workbench.compress.quantize.weights.grid import Grid

GroupSize = Annotated[int, Field(ge=8, le=1024, multiple_of=2)]
LARGEST = 128
"""Of the group sizes that layers take where the recipe names none."""
POWERS = (128, 64, 32)
"""Preferred: runtimes have packed products for groups of these sizes."""


def group_of(width: int, requested: int | None) -> int:
    """The group in rows of ``width``: ``requested``, else the first of 128, 64, 32 that divides.

    Rows that none of these divides get the largest multiple of 16 up to 128 that does, or else (the first convolution's
    4 × 9) their largest divisor up to 128.
    """
    if requested is not None:
        return requested
    fits = [size for size in range(1, min(LARGEST, width) + 1) if width % size == 0]
    packed = [size for size in POWERS if size in fits]
    return packed[0] if packed else max([size for size in fits if size % 16 == 0] or fits)


def grid_of(bits: int, granularity: str, width: int, requested: int | None) -> Grid:
    """The grid of a weight with rows of ``width``."""
    from workbench.compress.quantize.weights.grid import Grid

    if granularity == "group":
        return Grid(bits, group_of(width, requested))
    return Grid(bits, per_tensor=granularity == "per_tensor")


def layer_widths(shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Row width K of every convolution and linear, by path, from the shapes of a network's tensors."""
    rows = {name: math.prod(shape[1:]) for name, shape in shapes.items() if len(shape) > 1}
    return {name.removesuffix(".weight"): width for name, width in rows.items()}


def group_problem(widths: Mapping[str, int], requested: int) -> str | None:
    """One sentence where the group size doesn't divide the rows of some layers, None where it does."""
    odd = {path: width for path, width in widths.items() if width % requested}
    if not odd:
        return None
    path, width = next(iter(odd.items()))
    fits = [size for size in (*POWERS, 16, 8) if all(width % size == 0 for width in set(widths.values()))]
    would = f"{', '.join(map(str, fits))} would" if fits else "no size fits them all; leave it out"
    more = f" and {len(odd) - 1} more" if len(odd) > 1 else ""
    return (
        f"found {requested}, which doesn't divide the {width} weights in a row of {path}{more}; {would}"
        f"{', or leave it out: each layer then takes the largest up to ' + str(LARGEST) if fits else ''}"
    )
