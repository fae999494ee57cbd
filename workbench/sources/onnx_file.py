"""Any ONNX file, from whichever exporter: opened, checked for what a runtime would fail at, and fed."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, did_you_mean
from workbench.graphs.walk import graphs_of, nodes_of
from workbench.measure.network import Network
from workbench.sources.onnx_feed import feed_of
from workbench.sources.request import MODEL, Request

if TYPE_CHECKING:
    import onnx

_LFS = b"version https://git-lfs"
_CONTRIBUTED = ("com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental", "org.pytorch.aten")
"""Domains whose operators are a runtime's own: only it can tell which it has."""
_INTEGER = ("QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")


def networks(request: Request) -> list[Network]:
    """The one network, named by its file."""
    request.refuse_component()
    path = Path(request.source)
    model = open_model(path)
    _check_operators(path, model)
    feed = feed_of(model, path, request.shapes, request.values, request.seed)
    return [Network(path.stem, MODEL, scheme_of(model), feed, path.absolute())]


def open_model(path: Path) -> onnx.ModelProto:
    """The model without its weights. External data is only looked at: it must be there and long enough.

    Raises:
        InputError: there is no such file, it isn't an ONNX model, or its external data is missing or cut off.
    """
    from workbench.graphs.read import read_model

    if not path.is_file():
        others = [file.name for file in path.parent.glob("*.onnx")] if path.parent.is_dir() else []
        folder = str(path).removesuffix(path.name)
        raise InputError(f"{path}: no such file{did_you_mean(path.name, others, before=folder)}")
    with path.open("rb") as stream:
        if stream.read(len(_LFS)) == _LFS:
            raise InputError(f"{path}: found a Git LFS pointer, not the model", hint="run: git lfs pull")
    model = read_model(path)
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{path}: not an ONNX file: there are no operators in it")
    _check_external(path, model)
    return model


def scheme_of(model: onnx.ModelProto) -> str:
    """What the file computes in, in short: ``int8``, ``int4`` (weights), ``fp16`` or ``fp32``."""
    import onnx

    ops = {node.op_type for node in nodes_of(model)}
    if any(op in _INTEGER or op.startswith("QLinear") for op in ops):
        return "int8"
    if "MatMulNBits" in ops:
        return "int4"
    sizes: Counter[int] = Counter()
    for tensor in (tensor for graph in graphs_of(model) for tensor in graph.initializer):
        sizes[tensor.data_type] += _elements(tensor)
    kinds = {onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16", onnx.TensorProto.DOUBLE: "fp64"}
    return kinds.get(sizes.most_common(1)[0][0], "fp32") if sizes else "fp32"


def _elements(tensor: Any) -> int:
    return math.prod(tensor.dims)


def _check_external(path: Path, model: onnx.ModelProto) -> None:
    """Raises one InputError for all external data that isn't there as the model says."""
    import onnx

    needed: Counter[str] = Counter()
    inside = [tensor for graph in graphs_of(model) for tensor in graph.initializer]
    inside += [attribute.t for node in nodes_of(model) for attribute in node.attribute if attribute.HasField("t")]
    for tensor in (t for t in inside if t.data_location == onnx.TensorProto.EXTERNAL):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        pure = PurePosixPath(location)
        if not location or pure.is_absolute() or ".." in pure.parts:
            raise InputError(f"{path}: tensor {tensor.name} lies at {location!r}, which isn't beside the model")
        try:
            kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            length = int(entries.get("length", _elements(tensor) * kind.itemsize))
            end = int(entries.get("offset", 0)) + length
        except (KeyError, ValueError):
            raise InputError(f"{path}: tensor {tensor.name}: its place in {location} can't be read") from None
        needed[location] = max(needed[location], end)
    for location, end in needed.items():
        file = path.parent / location
        if not file.is_file():
            raise InputError(f"{path}: its weights are missing: {file}", hint="external data lies beside the model")
        size = file.stat().st_size
        if size < end:
            raise InputError(
                f"{file}: cut off: {path.name} needs {end} bytes of it, found {size}; download or copy it again"
            )


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    """Raises InputError for operators that no runtime has: of an unknown domain, or unknown in ONNX's own."""
    import onnx

    own = {(function.domain, function.name) for function in model.functions}
    known = {schema.domain for schema in onnx.defs.get_all_schemas_with_history()} | {"ai.onnx", *_CONTRIBUTED}
    missing: Counter[str] = Counter()
    for node in nodes_of(model):
        domain = "" if node.domain == "ai.onnx" else node.domain
        if (node.domain, node.op_type) in own or domain in _CONTRIBUTED:
            continue
        if domain not in known or not onnx.defs.has(node.op_type, domain):
            missing[f"{node.op_type} (domain {node.domain or 'ai.onnx'})"] += 1
    if missing:
        listed = ", ".join(f"{name} × {count}" for name, count in missing.items())
        raise InputError(
            f"{path}: needs operators that neither ONNX nor the model itself defines: {listed}",
            hint="they come from a library of custom operators, which workbench doesn't load",
        )
