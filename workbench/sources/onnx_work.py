"""Whether an ONNX file gives a runtime something to do, and no more than the machine can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.graphs.costs import constants
from workbench.graphs.plain import in_words
from workbench.graphs.shapes import resolve
from workbench.graphs.types import bits_of

if TYPE_CHECKING:
    import onnx


def check_work(path: Path, model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Raises InputError where all outputs are the same in every pass, or one value alone takes more than all memory.

    ``shapes`` are those of the inputs. What a runtime can't get it may well be given, and is ended for when it uses it.
    """
    import onnx
    import psutil

    fixed = constants(model.graph)
    if fixed.issuperset(value.name for value in model.graph.output):
        last = next(node for node in model.graph.node if fixed.issuperset(node.output))
        raise InputError(f"{path}: {in_words(last)} depends on no input, nor does any other: there is nothing to run")
    free = psutil.virtual_memory().available
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    found = resolve(copy, shapes)
    for node in model.graph.node:
        for value in node.output:
            size = math.prod(found.shape.get(value, ())) * bits_of(found.type.get(value, 0)) / 8
            if size > free:
                there = f"{free / 1e9:,.1f} GB of memory are free"
                raise InputError(f"{path}: {in_words(node)} makes a value of {size / 1e9:,.1f} GB; {there}")
