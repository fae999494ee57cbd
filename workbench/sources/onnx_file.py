"""Any ONNX file, from whichever exporter: opened, checked for what a runtime would fail at, and fed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, did_you_mean
from workbench.graphs.plain import needs_plain, plain
from workbench.graphs.types import bits_of
from workbench.graphs.walk import graphs_of, nodes_of, tensors_of
from workbench.measure.network import MODEL, Network
from workbench.sources.onnx_feed import feed_of
from workbench.sources.onnx_valid import check, check_graph, check_text
from workbench.sources.onnx_work import check_work
from workbench.sources.request import Request
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    import onnx

_LFS = b"version https://git-lfs"
_IN_ONE_FILE = 2**30
"""Bytes up to which weights lie in the file itself; one file ends at 2 GiB."""
_INTEGER = ("QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")


def networks(request: Request) -> list[Network]:
    """The one network, named by its file."""
    request.refuse_component()
    path = Path(request.source)
    model = open_model(path)
    check(path, model)
    rewritten = needs_plain(model)
    model = plain(model, path)
    check_graph(path, model)
    runs = request.needs == "onnx"
    feed = feed_of(model, path, request.shapes, request.values, request.seed, filled=runs)
    if runs:
        check_work(path, model, {name: value.shape for name, value in feed.items()})
    if runs and rewritten:
        path = _stored_plain(path, [path, *external_files(path, model)], request.store)
    return [Network(path.stem, MODEL, scheme_of(model), feed, path.absolute())]


def _stored_plain(path: Path, files: Iterable[Path], store: Store) -> Path:
    """The file at ``path`` in plain form, made once; ``files`` are all that it consists of."""
    hashed = store.folder_hash(path.parent, files)
    key = key_of({"plain": path.stem, "files": hashed, **depends_on(_write_plain)})
    store.compute(key, lambda out: _write_plain(path, out))
    return store.folder(key) / f"{path.stem}.onnx"


def _write_plain(path: Path, out: Path) -> dict[str, Any]:
    import onnx

    model = plain(onnx.load(path), path)
    name = f"{path.stem}.onnx"
    apart = model.ByteSize() > _IN_ONE_FILE
    onnx.save(model, out / name, save_as_external_data=apart, location=f"{name}.data" if apart else None)
    return {"plain": name}


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
    if not model.graph.node:
        raise InputError(f"{path}: its graph is empty: there is nothing to run")
    if not model.graph.output:
        raise InputError(f"{path}: its graph has no outputs: nothing of it would be computed")
    check_text(path, model)
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
        sizes[tensor.data_type] += math.prod(tensor.dims)
    kinds = {onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16", onnx.TensorProto.DOUBLE: "fp64"}
    return kinds.get(sizes.most_common(1)[0][0], "fp32") if sizes else "fp32"


def external_files(path: Path, model: onnx.ModelProto) -> list[Path]:
    """The files beside the model that hold its weights."""
    locations = (_entries(tensor).get("location", "") for tensor in _external(model))
    return [path.parent / location for location in dict.fromkeys(locations)]


def _external(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    import onnx

    return [tensor for tensor in tensors_of(model) if tensor.data_location == onnx.TensorProto.EXTERNAL]


def _entries(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_external(path: Path, model: onnx.ModelProto) -> None:
    """Raises one InputError for all external data that isn't there as the model says."""
    needed: Counter[str] = Counter()
    for tensor in _external(model):
        entries = _entries(tensor)
        location = entries.get("location", "")
        pure = PurePosixPath(location)
        if not location or pure.is_absolute() or ".." in pure.parts:
            raise InputError(f"{path}: tensor {tensor.name} lies at {location!r}, which isn't beside the model")
        try:
            whole = math.ceil(math.prod(tensor.dims) * bits_of(tensor.data_type) / 8)
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", whole))
        except ValueError:
            raise InputError(f"{path}: tensor {tensor.name}: its place in {location} can't be read") from None
        if offset < 0 or length != whole:
            raise InputError(
                f"{path}: tensor {tensor.name}: needs {whole} bytes of {location}, and the model says {length} from "
                f"{offset} on"
            )
        needed[location] = max(needed[location], offset + length)
    for location, end in needed.items():
        file = path.parent / location
        if not file.is_file():
            raise InputError(f"{path}: its weights are missing: {file}", hint="external data lies beside the model")
        if not any(file.resolve().is_relative_to(folder) for folder in (path.parent.resolve(), path.resolve().parent)):
            raise InputError(f"{path}: {location} is a link to {file.resolve()}, which isn't beside the model")
        size = file.stat().st_size
        if size < end:
            raise InputError(
                f"{file}: cut off: {path.name} needs {end} bytes of it, found {size}; download or copy it again"
            )
