"""The first token's keys and values as constants: the same pictures, and a refusal where they aren't constant."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from workbench.compress.quantize.onnx.first_token import first_state, keep_first_token
from workbench.compress.quantize.onnx.qdq import nodes_of
from workbench.errors import InputError
from workbench.export.onnx import save
from workbench.graphs.names import ROOT, layer_of
from workbench.runtimes.onnxruntime.session import session


@pytest.fixture(scope="module")
def state(demo_graph, demo) -> np.ndarray:
    return first_state(demo_graph("text_encoder"), demo / "tokenizer")


def _encoded(demo_graph, demo, prompt: str) -> np.ndarray:
    from transformers import CLIPTokenizer

    run = session(demo_graph("text_encoder"))
    tokens = CLIPTokenizer.from_pretrained(demo / "tokenizer")
    length = run.get_inputs()[0].shape[1]
    ids = tokens(prompt, padding="max_length", truncation=True, max_length=length, return_tensors="np").input_ids
    return run.run(None, {"input_ids": ids.astype(np.int64)})[0]


def test_the_first_state_is_the_one_of_any_prompt(state, demo_graph, demo):
    text = _encoded(demo_graph, demo, "three green stars on a dark ground")
    assert state.shape == (1, 1, text.shape[-1]) and state.dtype == np.float32
    assert np.allclose(state, text[:, :1], rtol=0, atol=1e-5)
    assert not np.allclose(state, text[:, 1:2], atol=1e-2)


def test_an_encoder_whose_tokens_see_later_ones_is_refused(demo_graph, demo, tmp_path):
    model = ir.load(demo_graph("text_encoder"))
    masks = [
        value
        for value in model.graph.initializers.values()
        if len(value.shape) == 4 and (value.const_value.numpy() < -1e30).any()
    ]
    assert masks
    for value in masks:
        value.const_value = ir.tensor(np.zeros(value.const_value.shape, np.float32), name=value.name)
    save(model, tmp_path / "sees_all.onnx")
    with pytest.raises(InputError, match=r"the first token can't be kept in float: .* isn't causal"):
        first_state(tmp_path / "sees_all.onnx", demo / "tokenizer")


def test_the_graph_gives_the_same_and_takes_the_first_token_from_the_constant(state, demo_graph, demo, tmp_path):
    path = demo_graph("unet")
    model = ir.load(path)
    before = {node.name for node in model.graph}
    layers = {layer_of(node.name or "") for node in model.graph}
    kept = keep_first_token(model, layers, state)
    assert kept == [layer for layer in dict.fromkeys(kept) if layer.endswith((".attn2.to_k", ".attn2.to_v"))]
    assert (
        set(kept) == {layer for layer in layers if layer.endswith((".attn2.to_k", ".attn2.to_v"))} and len(kept) == 32
    )
    assert {node.name for node in model.graph} - before == {f"{ROOT}/Slice", *(f"{layer}/Concat" for layer in kept)}
    save(model, tmp_path / "kept.onnx")

    plain, other = session(path), session(tmp_path / "kept.onnx")
    sample = np.random.default_rng(0).standard_normal((1, 4, 16, 16), dtype=np.float32)
    feed = {"sample": sample, "timestep": np.array([500.0], np.float32)}
    text = _encoded(demo_graph, demo, "a red circle above a blue square")
    want, got = (s.run(None, {**feed, "encoder_hidden_states": text})[0] for s in (plain, other))
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()
    strange = text.copy()
    strange[:, 0] = 100.0
    unmoved = other.run(None, {**feed, "encoder_hidden_states": strange})[0]
    assert np.array_equal(unmoved, got)
    assert np.abs(plain.run(None, {**feed, "encoder_hidden_states": strange})[0] - want).max() > 1e-2


def test_what_is_left_to_quantize_sees_the_other_tokens_only(state, demo_graph):
    model = ir.load(demo_graph("unet"))
    layer = "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"
    (product,) = nodes_of(model, [layer])
    weight = product.inputs[1].const_value.numpy()
    assert keep_first_token(model, [layer, "mid_block.attentions.0.transformer_blocks.0.attn2.to_q"], state) == [layer]
    (product,) = nodes_of(model, [layer])
    assert product.inputs[0].name == f"{ROOT}/Slice:0"
    assert list(product.inputs[0].shape) == [1, 23, 128] and list(product.outputs[0].shape) == [1, 23, 144]
    row = model.graph.initializers[f"{layer}.first_token"].const_value.numpy()
    assert row.dtype == np.float32 and np.allclose(row, state @ weight, rtol=1e-5, atol=1e-6)


def test_a_component_without_text_states_is_left_alone(state, demo_graph):
    model = ir.load(demo_graph("text_encoder"))
    before = len(model.graph)
    assert keep_first_token(model, {layer_of(node.name or "") for node in model.graph}, state) == []
    assert len(model.graph) == before
