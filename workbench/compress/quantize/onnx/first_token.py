"""The first text token's keys and values as constants, computed in float32.

The text encoder's state of the token that starts every text can be over fifty times as large as the others' (823
against 10 to 15 in SDXL-Turbo), so that it alone would set the scale of cross-attention's keys and values. A causal
encoder gives it the same state whatever the text: MixDQ (arXiv 2405.17873) computes its key and value
beforehand and quantizes the products of the other tokens only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.compress.quantize.onnx.qdq import nodes_of
from workbench.compress.quantize.onnx.write_weights import matrix_of
from workbench.errors import InputError
from workbench.graphs.edit import add_initializer
from workbench.graphs.names import ROOT, layer_of, name_new
from workbench.runtimes.load import runner

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir

LAYERS = r"attn2\.to_[kv]$"
TEXT = "encoder_hidden_states"
PROMPTS = ("", "a", "a red circle above a blue square", "photo of a harbour at night, two boats, rain " * 20)
"""Texts of several lengths; the last one fills any text encoder."""
SAME = 1e-3
"""Greatest difference between two prompts' first states, relative to the largest value, that counts as rounding."""


def first_state(prompt_encoder: Path, tokenizer: Path) -> np.ndarray:
    """The text encoder's state of the first token, float32 [1, 1, D], the same for every prompt.

    ``prompt_encoder`` is its exported file, which takes token ids [1, L]; ``tokenizer`` the folder of CLIP's.

    Raises:
        InputError: the first token's state depends on the prompt, so it can't be a constant.
    """
    import numpy as np
    from transformers import CLIPTokenizer

    tokens = CLIPTokenizer.from_pretrained(tokenizer, local_files_only=True)
    run = runner(prompt_encoder)
    length = run.get_inputs()[0].shape[1]
    ids = tokens(
        list(PROMPTS), padding="max_length", truncation=True, max_length=length, return_tensors="np"
    ).input_ids.astype(np.int64)
    states = np.stack([run.run(None, {"input_ids": row[None]})[0][0, :1].astype(np.float32) for row in ids])
    apart = float(np.abs(states - states[0]).max() / np.abs(states).max())
    if apart > SAME:
        raise InputError(
            f"the first token can't be kept in float: its state differs by {apart:.1%} between prompts, so the text "
            "encoder isn't causal",
            hint="leave the first token to quantization, or exempt attn2.to_k and attn2.to_v (policy text_kv)",
        )
    return states[:1]


def keep_first_token(model: ir.Model, layers: Collection[str], first_state: np.ndarray) -> list[str]:
    """In place: of cross-attention's keys and values, only those of tokens 1… stay products that can be quantized.

    Those among ``layers`` that multiply the text states [1, L, D] become Slice, MatMul, Concat with the row that
    ``first_state`` [1, 1, D] gives in float32. The layers share one Slice, which belongs to none of them. For linears
    as they are exported, before ``biased_linears_as_gemm``.

    Returns their paths in the graph's order; none in a component that takes no text states. The graph's output stays
    the same as long as its input's first token is ``first_state``.
    """
    import numpy as np
    import onnx_ir as ir

    text = next((value for value in model.graph.inputs if value.name == TEXT), None)
    products = [node for node in nodes_of(model, layers) if node.op_type == "MatMul" and node.inputs[0] is text]
    matmuls = [node for node in products if re.search(LAYERS, layer_of(node.name or ""))]
    if text is None or not matmuls:
        return []
    rest = _slice(model, text)
    model.graph.insert_before(matmuls[0], rest)
    added = {rest: ROOT}
    for node in matmuls:
        layer, out = layer_of(node.name or ""), node.outputs[0]
        assert out.dtype is not None and out.shape is not None
        row = first_state.astype(np.float32) @ matrix_of(node).T
        first = add_initializer(model, f"{layer}.first_token", row)
        users = list(out.uses())
        node.replace_input_with(0, rest.outputs[0])
        concat = ir.node("Concat", [first, out], attributes={"axis": 1})
        concat.outputs[0].dtype, concat.outputs[0].shape = out.dtype, out.shape
        for user, index in users:
            user.replace_input_with(index, concat.outputs[0])
        out.shape = _shorter(out.shape)
        model.graph.insert_after(node, concat)
        added[concat] = layer
    name_new(model, added)
    return [layer_of(node.name or "") for node in matmuls]


def _slice(model: ir.Model, data: ir.Value) -> ir.Node:
    """Tokens 1… of the text states [1, L, D]."""
    import numpy as np
    import onnx_ir as ir

    assert data.dtype is not None and data.shape is not None
    bounds = [
        add_initializer(model, f"{data.name}:{name}", np.array([value], np.int64))
        for name, value in (("start", 1), ("end", np.iinfo(np.int64).max), ("axis", 1))
    ]
    node = ir.node("Slice", [data, *bounds])
    node.outputs[0].dtype, node.outputs[0].shape = data.dtype, _shorter(data.shape)
    return node


def _shorter(shape: ir.Shape) -> ir.Shape:
    import onnx_ir as ir

    batch, tokens, *rest = shape.numpy()
    return ir.Shape([batch, tokens - 1, *rest])
