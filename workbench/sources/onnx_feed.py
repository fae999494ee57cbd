"""Inputs for an ONNX file: shapes as far as they are known, and values within range."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.sources.onnx_indices import Indices, indices_of
from workbench.sources.shapes import check_names, written

if TYPE_CHECKING:
    import numpy as np
    import onnx

_NAMELESS = re.compile(r"^(\?|none|-1)$", re.IGNORECASE)
"""What exporters write for an unknown side."""
_BATCH = re.compile(r"^(n|b|bs|bsz)$|batch", re.IGNORECASE)
_NOT_BATCH = re.compile(
    r"seq|len|time|frame|token|step|height|width|channel|sample|past|num|count|point|box|^[tlhwcsd]$", re.IGNORECASE
)
_MASK = re.compile(r"mask", re.IGNORECASE)
_MOST_SIDES, _MOST_BYTES = 64, 2**62
"""Limits of a numpy array."""


@dataclass(frozen=True)
class Input:
    """An input as declared by the file: ``sides`` are numbers, names of symbols, or "" for unknown ones; None when
    their number is unknown too."""

    name: str
    kind: int
    sides: tuple[int | str, ...] | None

    def __str__(self) -> str:
        import onnx

        sides = "of unknown rank" if self.sides is None else f"[{', '.join(str(side or '?') for side in self.sides)}]"
        return f"{self.name} {sides} {onnx.TensorProto.DataType.Name(self.kind).lower()}"


def feed_of(
    model: onnx.ModelProto,
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    values: Mapping[str, float],
    seed: int,
    filled: bool = True,
) -> dict[str, np.ndarray]:
    """Seeded inputs by name: normal noise for floats; for integers ``Indices.values``; true for booleans.

    A side with a name or without one is 1 if its name or position marks it as the batch; else a name gets its value
    from the ``shapes`` of other inputs. Without ``filled`` only shapes and types are right, and no memory is used.

    Raises:
        InputError: an input isn't a tensor of numbers, a shape is unknown, one of ``shapes`` doesn't fit, or the inputs
            take more than the free memory.
    """
    import numpy as np

    inputs = inputs_of(model, path)
    check_names([*shapes, *values], [i.name for i in inputs], str(path))
    known = _shapes(inputs, shapes, path)
    _check_sizes(inputs, known, path, filled)
    rng, indices = np.random.default_rng(seed), indices_of(model, [i.name for i in inputs])
    feed = {}
    for i in inputs:
        if not filled:
            feed[i.name] = np.broadcast_to(np.zeros((), _kind(i)), known[i.name])
            continue
        feed[i.name] = _value(i, known[i.name], indices[i.name], rng)
        if i.name in values:
            feed[i.name] = _filled(i, feed[i.name], values[i.name])
    return feed


def inputs_of(model: onnx.ModelProto, path: Path) -> list[Input]:
    """The inputs that have to be fed: those that aren't initializers with a default.

    Raises:
        InputError: one isn't a tensor of numbers.
    """
    import onnx

    preset = {tensor.name for tensor in model.graph.initializer}
    preset |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = []
    for value in (value for value in model.graph.input if value.name not in preset):
        kind = value.type.tensor_type.elem_type
        if not value.type.HasField("tensor_type"):
            what = value.type.WhichOneof("value") or "value of no type"
            raise InputError(
                f"{path}: input {value.name} is of type {what.removesuffix('_type')}; only tensors can be fed"
            )
        if kind not in _feedable():
            name = onnx.TensorProto.DataType.Name(kind).lower()
            raise InputError(f"{path}: input {value.name} holds {name}; only numbers and booleans can be generated")
        sides = None
        if value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            sides = tuple(
                d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else _NAMELESS.sub("", d.dim_param)
                for d in dims
            )
        inputs.append(Input(value.name, kind, sides))
    return inputs


def _feedable() -> set[int]:
    import onnx

    names = "FLOAT FLOAT16 DOUBLE BFLOAT16 INT64 INT32 INT16 INT8 UINT64 UINT32 UINT16 UINT8 BOOL"
    return {onnx.TensorProto.DataType.Value(name) for name in names.split()}


def _kind(i: Input) -> np.dtype[Any]:
    import onnx

    return onnx.helper.tensor_dtype_to_np_dtype(i.kind)


def _check_sizes(inputs: list[Input], shapes: Mapping[str, tuple[int, ...]], path: Path, filled: bool) -> None:
    """Raises InputError for inputs too large for an array or for memory; noise is generated in 64-bit floats."""
    import psutil

    free = psutil.virtual_memory().available if filled else None
    for i in inputs:
        shape = shapes[i.name]
        size = 8 * math.prod(shape)
        if len(shape) > _MOST_SIDES:
            raise InputError(f"{path}: input {i.name} has {len(shape)} axes; {_MOST_SIDES} are the most")
        if size > (_MOST_BYTES if free is None else free):
            limit = "no array holds them" if free is None else f"{free / 1e9:,.1f} GB of memory are free"
            raise InputError(f"{path}: input {i.name} {written(shape)} takes {size / 1e9:,.1f} GB to fill; {limit}")


def _shapes(inputs: list[Input], requested: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, tuple[int, ...]]:
    symbols: dict[str, tuple[int, str]] = {}
    for i in inputs:
        if i.name not in requested or i.sides is None:
            continue
        shape = requested[i.name]
        fits = len(shape) == len(i.sides)
        for side, declared in zip(shape, i.sides, strict=False):
            fits = fits and (not isinstance(declared, int) or declared == side)
            if fits and isinstance(declared, str) and declared:
                if symbols.get(declared, (side,))[0] != side:
                    other_side, other = symbols[declared]
                    raise InputError(f"--shape {i.name}: {declared} is {side} there, but {other_side} in {other}")
                symbols[declared] = (side, i.name)
        if not fits:
            raise InputError(
                f"--shape {i.name}={written(shape)}: doesn't fit {path}; needs {i.name}="
                f"{written(side if isinstance(side, int) else '?' for side in i.sides)}",
                hint=f"inputs: {', '.join(map(str, inputs))}",
            )
    shapes: dict[str, tuple[int, ...]] = {}
    missing: list[str] = []
    covered: set[int | str] = set()
    for i in inputs:
        sides = [_side(i, at, symbols) for at in range(len(i.sides or ()))]
        open_sides = {side for side in sides if isinstance(side, str)}
        if i.name in requested:
            shapes[i.name] = requested[i.name]
        elif i.sides is not None and not open_sides:
            shapes[i.name] = tuple(int(side) for side in sides)
        elif i.sides is None or open_sides - covered or "" in open_sides:  # else another input's shape is enough
            fixed = (side if isinstance(side, int) else "?" for side in sides)
            missing.append(f"--shape {i.name}={'…' if i.sides is None else written(fixed)}")
            covered |= open_sides
    if missing:
        raise InputError(
            f"{path}: has dynamic shapes that can't be known; say {' '.join(missing)} with numbers",
            hint=f"inputs: {', '.join(map(str, inputs))}",
        )
    return shapes


def _side(i: Input, at: int, symbols: Mapping[str, tuple[int, str]]) -> int | str:
    side = (i.sides or ())[at]
    if isinstance(side, int):
        return side
    if side in symbols:
        return symbols[side][0]
    first = at == 0 and len(i.sides or ()) > 1
    if _BATCH.search(side) or (first and not _NOT_BATCH.search(side)):
        return 1
    return side


def _value(i: Input, shape: tuple[int, ...], indices: Indices, rng: np.random.Generator) -> np.ndarray:
    import numpy as np
    import onnx

    kind = _kind(i)
    if np.issubdtype(kind, np.floating) or i.kind == onnx.TensorProto.BFLOAT16:
        if _MASK.search(i.name):
            return np.ones(shape, kind)
        return np.asarray(rng.standard_normal(shape)).astype(kind)
    if kind == np.bool_:
        return np.ones(shape, kind)
    if kind.itemsize == 1 and not indices.used:
        span = np.iinfo(kind)
        return np.asarray(rng.integers(span.min, span.max + 1, shape)).astype(kind)
    return np.asarray(indices.values(rng, shape)).astype(kind)


def _filled(i: Input, value: np.ndarray, number: float) -> np.ndarray:
    """An array like ``value`` filled with ``number``; InputError when its type can't hold it."""
    import numpy as np

    kind = value.dtype
    if np.issubdtype(kind, np.integer):
        span = np.iinfo(kind)
        fits = math.isfinite(number) and number == int(number) and span.min <= number <= span.max
    else:
        fits = kind != np.bool_ or number in (0, 1)
    if not fits:
        raise InputError(f"--input {i.name}={number:g}: the input holds {kind}")
    return np.full_like(value, number)
