"""What no runtime would take: an ONNX file that contradicts ONNX or itself, told by node and reason before any work.

The rules are those of ONNX's own checker and inference, as ONNX Runtime applies them when it loads a file. Their words
are kept, since they can be looked up.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError
from workbench.graphs.plain import ALIAS, in_words, name_of
from workbench.graphs.standard import IN_ONNX, make_dense
from workbench.graphs.types import bits_of
from workbench.graphs.walk import bodies, graphs_of, nodes_of, scopes, tensors_of

if TYPE_CHECKING:
    import onnx

RUNTIMES = ("com.microsoft", "com.microsoft.nchwc", "com.microsoft.experimental", "org.pytorch.aten")
"""Domains whose operators are a runtime's own: only it can tell which it has."""
_OURS = ("", ALIAS)
_PLACE = re.compile(r"^\[(Shape|Type)InferenceError\] ")
_INFERENCE = re.compile(r"\(op_type:(?P<op>[^,)]*)(?:, node name: (?P<node>[^)]*))?\): (?P<why>.*)", re.DOTALL)
"""How inference tells of a node: ``(op_type:MatMul, node name: n): [ShapeInferenceError] …``."""


def check(path: Path, model: onnx.ModelProto) -> None:
    """Looks at versions, operators and weights' sizes.

    Raises:
        InputError: the file can't be loaded by anything; says which node and why.
    """
    _check_versions(path, model)
    _check_operators(path, model)
    _check_tensors(path, model)


def check_graph(path: Path, model: onnx.ModelProto) -> None:
    """The same for what nodes are and read, once the model is in its plain form.

    Raises:
        InputError: see ``check``.
    """
    _check_values(path, model.graph, frozenset())
    _check_nodes(path, model)
    _check_inference(path, model)


def check_text(path: Path, model: onnx.ModelProto) -> None:
    """Raises InputError for names that aren't UTF-8."""
    for text in _texts(model):
        if not isinstance(text, str):
            raise InputError(f"{path}: the name {text!r} isn't UTF-8, which ONNX asks for")


def _texts(model: onnx.ModelProto) -> Iterator[str]:
    """All names in a model: what isn't UTF-8 comes as bytes."""
    for entry in (*model.opset_import, *model.functions, *(e for f in model.functions for e in f.opset_import)):
        yield entry.domain
    for function in model.functions:
        yield from (function.name, *function.input, *function.output, *function.attribute)
    for node in nodes_of(model):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (text for a in node.attribute for text in (a.name, a.t.name, a.ref_attr_name))
    for graph in graphs_of(model):
        for value in (*graph.input, *graph.output, *graph.value_info):
            yield from (value.name, *(side.dim_param for side in value.type.tensor_type.shape.dim))
    for tensor in tensors_of(model):
        yield from (tensor.name, *(text for entry in tensor.external_data for text in (entry.key, entry.value)))


def _check_versions(path: Path, model: onnx.ModelProto) -> None:
    import onnx

    known = onnx.IR_VERSION
    if not model.HasField("ir_version") or not model.opset_import:
        raise InputError(f"{path}: doesn't say which version of ONNX it is for")
    if model.ir_version > known:
        raise InputError(
            f"{path}: is of version {model.ir_version} of ONNX's format; the installed onnx reads up to {known}",
            hint="export it for an older version, or pip install --upgrade onnx onnxruntime",
        )
    latest: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        latest[schema.domain] = max(latest.get(schema.domain, 0), schema.since_version)
    latest[""] = onnx.defs.onnx_opset_version()
    for entry in model.opset_import:
        domain = "" if entry.domain in _OURS else entry.domain
        if domain in latest and not 0 < entry.version <= latest[domain]:
            raise InputError(
                f"{path}: asks for version {entry.version} of the operators of {domain or 'ai.onnx'}; the installed "
                f"onnx knows 1 to {latest[domain]}",
                hint="export it for an older version, or pip install --upgrade onnx onnxruntime",
            )


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    """Raises InputError for operators that no runtime has: of an unknown domain, or unknown in ONNX's own."""
    import onnx

    local = {(function.domain, function.name) for function in model.functions}
    known = {schema.domain for schema in onnx.defs.get_all_schemas_with_history()} | {*_OURS, *RUNTIMES}
    missing: Counter[str] = Counter()
    for node in nodes_of(model):
        domain = "" if node.domain in _OURS else node.domain
        if (node.domain, node.op_type) in local or domain in RUNTIMES:
            continue
        if not domain and node.op_type in IN_ONNX:
            continue
        if domain not in known or not onnx.defs.has(node.op_type, domain):
            missing[f"{node.op_type} (domain {node.domain or 'ai.onnx'})"] += 1
    if missing:
        listed = ", ".join(f"{name} × {count}" for name, count in missing.items())
        raise InputError(
            f"{path}: needs operators that neither ONNX nor the model itself defines: {listed}",
            hint="they come from a library of custom operators, which workbench doesn't load",
        )


def _check_tensors(path: Path, model: onnx.ModelProto) -> None:
    import onnx

    kinds = set(onnx.TensorProto.DataType.values()) - {onnx.TensorProto.UNDEFINED}
    for graph in graphs_of(model):
        for tensor in graph.initializer:
            if tensor.data_type not in kinds:
                raise InputError(f"{path}: weight {tensor.name!r} is of type {tensor.data_type}, which ONNX hasn't")
            if any(side < 0 for side in tensor.dims):
                raise InputError(f"{path}: weight {tensor.name!r} has a side of {min(tensor.dims)}")
            needed, inside = math.ceil(math.prod(tensor.dims) * bits_of(tensor.data_type) / 8), len(tensor.raw_data)
            least = inside or path.stat().st_size
            if tensor.data_location != onnx.TensorProto.EXTERNAL and (needed > least or needed < inside):
                raise InputError(f"{path}: weight {tensor.name!r} needs {needed} bytes, and {least} are there")
        for value in graph.input:
            kind = value.type.tensor_type.elem_type
            if not value.type.WhichOneof("value"):
                raise InputError(f"{path}: input {value.name!r} has no type")
            if value.type.HasField("tensor_type") and kind not in kinds:
                raise InputError(f"{path}: input {value.name!r} is of type {kind}, which ONNX hasn't")


def _check_values(path: Path, graph: onnx.GraphProto, around: frozenset[str]) -> None:
    """Every value that is read is made somewhere, and none twice, nor out of itself."""
    brought = [value.name for value in graph.input]
    stored = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    made: dict[str, onnx.NodeProto] = {}
    for name, count in Counter(brought).items():
        if count > 1:
            raise InputError(f"{path}: input {name!r} is there {count} times")
    for node in graph.node:
        for value in filter(None, node.output):
            if value in made or value in brought or value in stored:
                raise InputError(f"{path}: {in_words(node)} makes {value!r}, which is there already")
            made[value] = node
    known = around | stored | {*brought, *made}
    for node in graph.node:
        for value in node.input:
            if value and value not in known:
                raise InputError(f"{path}: {in_words(node)} reads {value!r}, which nothing makes")
    for value in graph.output:
        if value.name not in known:
            raise InputError(f"{path}: its output {value.name!r} is made by nothing")
    for node in graph.node:
        for inner in bodies(node):
            _check_values(path, inner, known)


def _check_nodes(path: Path, model: onnx.ModelProto) -> None:
    """Numbers of inputs and outputs and attributes, by the operators' definitions."""
    import onnx

    context = onnx.checker.C.CheckerContext()
    context.ir_version = model.ir_version or onnx.IR_VERSION
    context.opset_imports = {entry.domain: entry.version for entry in model.opset_import}
    defined = {schema.domain for schema in onnx.defs.get_all_schemas_with_history()}
    for node in nodes_of(model):
        if node.domain not in defined or node.domain not in context.opset_imports:
            continue
        if node.op_type in ("Constant", *IN_ONNX) or bodies(node):
            continue
        try:
            onnx.checker.check_node(node, context)
        except onnx.checker.ValidationError as error:
            raise InputError(f"{path}: {in_words(node)}: {str(error).splitlines()[0]}") from None


def _check_inference(path: Path, model: onnx.ModelProto) -> None:
    """Shapes and types that don't go together, whatever else the file says of them."""
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    make_dense(bare.graph)
    for graph in scopes(bare.graph):
        del graph.value_info[:]
        for node in graph.node:
            node.name = name_of(node)
        for value in graph.output:
            value.ClearField("type")
    try:
        onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
        match = _INFERENCE.search(str(error))
        if match:
            why = _PLACE.sub("", match["why"].strip()).splitlines()[0]
            raise InputError(f"{path}: node {match['node'] or ''!r} ({match['op']}): {why}") from None
