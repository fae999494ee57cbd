"""What a candidate brings: the word follows from the clock, the files and the kernels, and from nothing else."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from workbench.measure.counts import Count
from workbench.measure.network import Network
from workbench.models.families.stable_diffusion import FAMILY
from workbench.profile.host import Settings, measure_host
from workbench.profile.write import summarize
from workbench.progress import quiet
from workbench.report.ranking.gain import WORDS, gain_of
from workbench.report.ranking.speedup import speed
from workbench.store.store import Store

SIZE = {"fp32": 4.0, "fp16": 2.0, "w8a8": 1.0, "w8a16": 1.0, "w4a16": 0.5, "w4a8": 0.5}


def profile(
    name: str, unet_ms: float, scheme: str = "fp32", samples: bool = True, spread: float = 0.02, **unet: Any
) -> dict[str, Any]:
    """A pipeline whose text encoder and decoder are shared by all candidates."""

    def component(component: str, ms: float, own: bool) -> dict[str, Any]:
        draw = random.Random(f"{component}{own and name}")
        taken = [ms * draw.uniform(1 - spread, 1 + spread) for _ in range(60)]
        latency: dict[str, Any] = {"median": ms, "iqr": ms * spread, "n": 60}
        return {
            "latency_ms": latency | ({"samples": taken} if samples else {}),
            "params": 1000,
            "macs": 10_000,
            "scheme": "fp32",
            "simulated": False,
            "size_bytes": 4000,
            "quantized_macs_share": 0.0,
            "shared_with": None if own else f"first.{component}",
        }

    parts = {
        "text_encoder": component("text_encoder", 2.0, False),
        "unet": component("unet", unet_ms, True) | {"scheme": scheme, "size_bytes": SIZE[scheme] * 10_000} | unet,
        "vae_decoder": component("vae_decoder", 20.0, False),
    }
    return {
        "candidate": name,
        "pipeline": {"steps": 10, "guidance_passes": 2, "formula": FAMILY.formula},
        "components": parts,
        "simulated": parts["unet"]["simulated"],
        "size_bytes": sum(c["size_bytes"] for c in parts.values()),
    }


FLOAT = profile("float", 10.0)


@pytest.mark.parametrize("samples", [True, False])
@pytest.mark.parametrize(
    ("after", "word"),
    [
        (profile("q", 5.0, "w8a8", quantized_macs_share=0.97), "accelerated"),
        (profile("q", 10.02, "w8a8", quantized_macs_share=0.97), "smaller only"),
        (profile("q", 14.0, "w4a16"), "smaller only"),
        (profile("q", 5.0, "w4a16"), "accelerated"),
        (profile("q", 10.0, "w8a16", simulated=True), "simulated"),
        (profile("q", 5.0, "w8a8", simulated=True, quantized_macs_share=0.2), "simulated"),
        (profile("q", 14.0, "w8a8", size_bytes=40_000), "no gain"),
        (profile("q", 5.0, macs=5_000, params=500, size_bytes=20_000), "faster"),
        (profile("q", 10.0, macs=9_000, params=900, size_bytes=36_000), "not faster"),
        (profile("q", 10.01), "same network"),
    ],
)
def test_word(after, word, samples):
    before, own = (strip(p) if not samples else p for p in (FLOAT, after))
    gain = gain_of(before, own)
    assert gain.word == word and word in WORDS
    assert gain.parent == "float" and gain.sentence.endswith(".")


def strip(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The profile without single passes, as other tools or old versions write it."""
    parts = {
        name: c | {"latency_ms": {k: v for k, v in c["latency_ms"].items() if k != "samples"}}
        for name, c in summary["components"].items()
    }
    return {**summary, "components": parts}


def test_speed_is_that_of_the_whole_picture():
    """20 U-Net passes of 10 → 5 ms beside 2 × 2 ms and 20 ms: 224 → 124 ms."""
    ratio = speed(FLOAT, profile("q", 5.0))
    assert ratio is not None and ratio.value == pytest.approx(124 / 224, rel=0.01)
    assert ratio.low < ratio.value < ratio.high < 1 and ratio.n == 60


@pytest.mark.parametrize("samples", [True, False])
@pytest.mark.parametrize(("steps", "often"), [(2, "2 times"), (1, "once")])
def test_fewer_steps_are_faster_by_what_the_parent_needs_for_its_own(samples, steps, often):
    """20 passes and 2 of the text encoder → ``steps`` passes and 1: 224 → 42 or 32 ms."""
    few = {**profile("q", 10.0), "pipeline": {**FLOAT["pipeline"], "steps": steps, "guidance_passes": 1}}
    before, after = (p if samples else strip(p) for p in (FLOAT, few))
    ratio = speed(before, after)
    assert ratio is not None and ratio.value == pytest.approx((steps * 10 + 22) / 224, rel=0.01)
    gain = gain_of(before, after)
    assert gain.word == "fewer steps"
    assert gain.sentence.startswith(f"Its U-Net runs {often} a picture, that of float 20 times. ")
    assert gain_of(after, before).word == "same network", "more steps in the same layers are no gain of a step"


def test_without_a_picture_only_what_differs_is_compared():
    before, after = ({**p, "pipeline": None} for p in (FLOAT, profile("q", 5.0)))
    ratio = speed(before, after)
    assert ratio is not None and ratio.value == pytest.approx(0.5, rel=0.01)


def test_what_the_clock_cannot_tell_is_not_called_smaller_only():
    before, after = profile("float", 10.0, spread=0.5), profile("q", 9.5, "w8a8", spread=0.5, quantized_macs_share=1.0)
    for old, new in ((before, after), (strip(before), strip(after))):
        gain = gain_of(old, new)
        assert gain.word == "unsettled"
        assert "The clock doesn't settle it: " in gain.sentence and "(n = 60)" in gain.sentence
        assert "does not pay" not in gain.sentence


def test_an_emulated_machine_is_no_judge_of_speed_but_its_kernels_are_counted():
    fast = profile("q", 1.0, "w8a8", quantized_macs_share=1.0)
    gain = gain_of(FLOAT, {**fast, "emulated": True})
    assert (gain.word, gain.speed, gain.times) == ("not compared", None, None)
    assert "times say nothing" in gain.sentence and gain.size is not None
    assert gain_of(FLOAT, {**fast, "emulated": True, "simulated": True}).word == "simulated"


def test_sentences_say_what_is_known():
    said = {
        name: gain_of(FLOAT, after).sentence
        for name, after in {
            "accelerated": profile("q", 5.0, "w8a8", quantized_macs_share=0.97),
            "slower": profile("q", 14.0, "w4a16"),
            "simulated": profile("q", 10.0, "w8a16", simulated=True),
            "half": profile("q", 10.0, "fp16"),
        }.items()
    }
    assert said["accelerated"].endswith("97 % of the U-Net's MACs run in integers.")
    assert said["slower"].startswith("Slower: ")
    assert said["slower"].endswith("The U-Net stores 4-bit weights and multiplies floats, by design.")
    assert "Asks for w8a16 in the U-Net, of which this runtime runs 0 % of the MACs in integers" in said["simulated"]
    assert "the time is not" in said["simulated"]
    assert said["half"].endswith("The U-Net stores 16-bit floats.")


def test_nothing_measured_is_not_judged():
    assert gain_of({"candidate": "float"}, {"candidate": "q", "components": {}}).word == "not compared"


def test_real_profiles_of_four_schemes(tmp_path):
    """Small convolutions, measured: what is simulated and what is smaller is the same on any machine."""
    rng, networks, counts = np.random.default_rng(0), [], {}
    weight = rng.integers(-7, 8, (32, 32, 3, 3)).astype(np.int8)
    for scheme, bits in (("fp32", None), ("w8a8", 8), ("w8a16", 16), ("w4a16", None)):
        constants: dict[str, Any] = {
            "scale": np.float32(0.01),
            "step": np.float32(8 * 2.0 ** -(bits or 8)),
            "w": weight,
        }
        nodes, x = [], "x"
        if scheme == "fp32":
            constants = {"wf": (weight * 0.01).astype(np.float32)}
        else:
            nodes.append(helper.make_node("DequantizeLinear", ["w", "scale"], ["wf"], name="conv/weight"))
        if bits:
            constants["zero"] = np.array(2 ** (bits - 1), f"uint{bits}")
            nodes += quantized("x", "in")
            x = "in.back"
        nodes.append(helper.make_node("Conv", [x, "wf"], ["y"], name="conv/Conv", pads=[1, 1, 1, 1]))
        if bits:
            nodes += quantized("y", "out")
        ends = ("x", "out.back" if bits else "y")
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 32, 16, 16]) for name in ends]
        held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "one", values[:1], values[1:], held)
        file = tmp_path / f"{scheme}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), file)
        networks.append(Network(scheme, "model", scheme, {"x": np.zeros((1, 32, 16, 16), np.float32)}, file))
        counts[scheme, "model"] = Count((), {})
    settings = Settings(("onnxruntime",), threads=1, iterations=20, min_seconds=0.0, warmup=2)
    records = measure_host(networks, counts, settings, 0, Store(tmp_path / "store"), quiet)
    found = {record.candidate: summarize(record, None, []) for record in records}
    assert [found[name]["simulated"] for name in ("fp32", "w8a8", "w8a16", "w4a16")] == [False, False, True, False]
    gained = {name: gain_of(found["fp32"], found[name]) for name in ("w8a8", "w8a16", "w4a16")}
    assert gained["w8a16"].word == "simulated"
    # Whether integers are faster, and whether that shows beside the noise, is the machine's.
    assert {gained[name].word for name in ("w8a8", "w4a16")} <= {"accelerated", "smaller only", "unsettled"}
    assert all(v.size is not None and v.size < 0.35 and v.speed is not None for v in gained.values())


def quantized(value: str, name: str) -> list[Any]:
    return [
        helper.make_node("QuantizeLinear", [value, "step", "zero"], [f"{name}.q"], name=f"conv/{name}.quantize"),
        helper.make_node("DequantizeLinear", [f"{name}.q", "step", "zero"], [f"{name}.back"], name=f"conv/{name}.back"),
    ]
