"""Where a network changes its precision: kernels that do nothing but turn one element type into another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from workbench.measure.clock import Stats
from workbench.measure.layers import Transition
from workbench.runtimes.onnxruntime.trace import PRECISIONS, Kernel, Pass

CHANGES = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast", "CastLike")
"""Operators that are there to change a precision. An integer product that writes floats is not: it turns its result
around at no cost of its own."""


def transitions(passes: Sequence[Pass]) -> tuple[Transition, ...]:
    """Kernels of ``CHANGES`` by the precisions of their first input and output, the most time first.

    Indices (int64, int32) and truth values are no precision. ``count`` is of the first pass, ``ms`` the median over the
    passes.
    """
    by_pair: defaultdict[tuple[str, str], list[list[int]]] = defaultdict(lambda: [[] for _ in passes])
    for i, one in enumerate(passes):
        for kernel in one.kernels:
            if changes(kernel):
                by_pair[PRECISIONS[kernel.before], PRECISIONS[kernel.after]][i].append(kernel.microseconds)
    rows = [
        Transition(before, after, len(times[0]), Stats(tuple(sum(own) / 1e3 for own in times)).median)
        for (before, after), times in by_pair.items()
    ]
    return tuple(sorted(rows, key=lambda row: -row.ms))


def changes(kernel: Kernel) -> bool:
    """Whether a kernel is there to change the precision, and does."""
    before, after = PRECISIONS.get(kernel.before), PRECISIONS.get(kernel.after)
    return kernel.op in CHANGES and before is not None and after is not None and before != after
