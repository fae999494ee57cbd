"""Whole comparisons: a network against one that is slower on purpose, and stored profiles against each other."""

from __future__ import annotations

import copy
import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import ROOT
from workbench.comparing.interleaved import Plan
from workbench.comparing.ratio import SAME, SLOWER
from workbench.errors import InputError, RunError
from workbench.measure.layers import COLUMNS
from workbench.measure.network import Network
from workbench.models.families.stable_diffusion import FAMILY
from workbench.sources import Request
from workbench.store.store import Store
from workbench.verbs.compare.compare import How, check_gate, compare, paired, with_gate, write

_SPEC = importlib.util.spec_from_file_location("slowed", ROOT / "benchmarks" / "slowed.py")
assert _SPEC is not None and _SPEC.loader is not None
slowed = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slowed)

QUICK = Plan(iterations=48, min_seconds=0.2, max_seconds=15, width=0.1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three convolutions in a row, named as our exports name them."""
    rng = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for i in range(3):
        weights.append(numpy_helper.from_array(rng.normal(0, 0.1, (32, 32, 3, 3)).astype(np.float32), f"w{i}"))
        name, made = f"block.{i}.conv/Conv", f"block.{i}.conv/Conv:0"
        nodes.append(
            helper.make_node("Conv", [value, f"w{i}"], [made], name=name, pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        )
        value = made
    sides = [1, 32, 48, 48]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, sides)],
        weights,
    )
    path = tmp_path_factory.mktemp("small") / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def run(a: object, b: object, tmp_path: Path, plan: Plan = QUICK, component: str | None = None, layers: bool = True):
    first = Request(str(a), Store(tmp_path / "store"), component)
    return compare(first, replace(first, source=str(b)), How("onnxruntime", 1, plan, layers))


def test_a_layer_of_twice_the_work_makes_the_whole_slower_and_is_named(small: Path, tmp_path: Path) -> None:
    heavier = slowed.with_wider_kernel(small, tmp_path / "heavier.onnx", "block.1.conv", 3)
    found = run(small, heavier, tmp_path)
    (whole,) = found.components
    assert whole.ratio.outcome() == SLOWER and 1.1 < whole.ratio.value < 1.8
    layers = {change.layer: change for change in whole.layers or ()}
    assert layers["block.1.conv"].outcome == SLOWER
    assert {c.layer for c in layers.values() if c.outcome == SLOWER and c.layer.startswith("block")} == {"block.1.conv"}

    check_gate(found, 2.0)
    with pytest.raises(RunError, match=r"^regression: B is slower than A beyond the limit of 5.0 %: model \+"):
        check_gate(found, 0.05)
    files = write(found, tmp_path / "out", 0.05)
    told = json.loads(files[0].read_text())
    assert told["regressions"] == ["model"] and told["components"]["model"]["outcome"] == SLOWER
    assert sum(len(load["a_ms"]) for load in told["components"]["model"]["loads"]) >= 48
    page = files[1].read_text()
    assert (
        "B is slower: a regression" in page and "block.1.conv" in page and "http" not in page.replace("http-equiv", "")
    )


def test_the_slowed_networks_of_the_benchmark_compute_the_same_numbers(small: Path, tmp_path: Path) -> None:
    from workbench.runtimes.onnxruntime.session import session

    feed = {"x": np.random.default_rng(0).normal(size=(1, 32, 48, 48)).astype(np.float32)}
    wider = slowed.with_wider_kernel(small, tmp_path / "wider.onnx", "block.2.conv", 1)
    ballast = slowed.with_ballast(small, tmp_path / "ballast.onnx", 3)
    expected, *others = (session(path, 1).run(None, feed)[0] for path in (small, wider, ballast))
    for other in others:
        np.testing.assert_allclose(other, expected, rtol=1e-4, atol=1e-5)


def test_a_limit_that_the_interval_can_not_see_is_told(small: Path, tmp_path: Path) -> None:
    found = run(small, small, tmp_path, Plan(8, 0.0, 0.0, width=0.0), layers=False)
    (whole,) = found.components
    assert whole.layers is None and whole.layers_reason == "not asked for"
    assert any("ended by the time limit" in word for word in found.warnings)
    hidden = [w for w in with_gate(found, 1e-6).warnings if "could hide" in w]
    assert bool(hidden) == (whole.ratio.low <= 1 <= whole.ratio.high)


def network(component: str, file: str, **feed: tuple[int, ...]) -> Network:
    inputs = {name: np.zeros(shape, np.float32) for name, shape in feed.items()}
    return Network("x", component, "fp32", inputs, Path(file))


def test_components_that_are_the_same_file_are_left_out_unless_all_are() -> None:
    text, unet, other = network("text_encoder", "t"), network("unet", "u"), network("unet", "v")
    pairs, warnings = paired([text, unet], [text, other])
    assert list(pairs) == ["unet"] and warnings == ["text_encoder: the same file on both sides, not measured"]
    assert list(paired([text, unet], [text, unet])[0]) == ["text_encoder", "unet"]


def test_what_only_one_side_has_and_inputs_that_differ_are_told() -> None:
    pairs, warnings = paired([network("unet", "u", x=(1, 4)), network("vae", "v")], [network("unet", "w", x=(1, 8))])
    assert list(pairs) == ["unet"]
    assert warnings == ["only A has vae", "unet: inputs differ: A takes x 1×4; B takes x 1×8"]
    with pytest.raises(InputError, match="A has a, b and B has c: there is nothing to compare"):
        paired([network("a", "a"), network("b", "b")], [network("c", "c")])


def test_two_single_networks_are_a_pair_whatever_their_names() -> None:
    assert list(paired([network("unet", "a")], [network("model", "b")])[0]) == ["model"]


def profile(folder: Path, name: str, scale: float = 1.0, **changes: Any) -> Path:
    """A stored profile of a pipeline with times that hardly vary; ``scale`` slows the U-Net."""
    rng = np.random.default_rng(len(name))
    means = {"text_encoder": 1.0, "unet": 10.0 * scale, "vae_decoder": 5.0}
    components = {}
    for component, ms in means.items():
        samples = [round(v, 4) for v in rng.normal(ms, ms / 200, 40)]
        layers = {"big": ms * 0.6, "rest": ms * 0.4}
        components[component] = {
            "latency_ms": {"median": float(np.median(samples)), "n": 40, "samples": samples},
            "layer_samples_ms": {layer: list(rng.normal(v, v / 200, 20)) for layer, v in layers.items()},
            "events": [],
            "transitions": [],
        }
    summary = {
        "schema_version": 2, "candidate": name, "target": "host", "runtime": "onnxruntime", "threads": 1,
        "components": components, "pipeline": {"steps": 10, "guidance_passes": 2, "formula": FAMILY.formula},
        "noise": {"steal_share": 0.0, "others_share": 0.0}, "warnings": [],
        "environment": {"cpu": "one", "libraries": {"onnxruntime": "1"}},
    } | changes  # fmt: skip
    rows = [f"{c},{layer},1.0" + "," * (len(COLUMNS) - 3) for c in means for layer in ("big", "rest")]
    others = [column for column in COLUMNS if column not in ("component", "layer", "latency_ms")]
    folder.mkdir(exist_ok=True)
    (folder / f"{name}@host.csv").write_text(
        "\n".join([",".join(("component", "layer", "latency_ms", *others)), *rows])
    )
    path = folder / f"{name}@host.json"
    path.write_text(json.dumps(summary))
    return path


def test_stored_profiles_are_compared_by_component_in_all_and_by_layer(tmp_path: Path) -> None:
    found = run(profile(tmp_path, "a"), profile(tmp_path, "b", 1.2), tmp_path)
    outcomes = {c.component: c.ratio.outcome() for c in found.components}
    assert outcomes == {"text_encoder": SAME, "unet": SLOWER, "vae_decoder": SAME, "pipeline": SLOWER}
    whole = found.components[-1].ratio
    assert whole.value == pytest.approx((2 + 20 * 12 + 5) / (2 + 20 * 10 + 5), rel=0.01)
    unet = next(c for c in found.components if c.component == "unet")
    assert {c.layer: c.outcome for c in unet.layers or ()} == {"big": SLOWER, "rest": SLOWER}
    assert any("not measured interleaved" in word for word in found.warnings)
    assert [c.component for c in found.regressions(0.05)] == ["unet", "pipeline"]
    assert run(tmp_path / "a@host.csv", tmp_path / "b@host.json", tmp_path, component="unet").components[0] == unet


def test_what_differed_between_two_profiles_is_told(tmp_path: Path) -> None:
    changes = {"threads": 4, "environment": {"cpu": "two", "libraries": {"onnxruntime": "2"}}}
    more = {"noise": None, "pipeline": {"steps": 20, "guidance_passes": 2}, "warnings": ["host: noisy"]}
    found = run(profile(tmp_path, "a"), profile(tmp_path, "b", **copy.deepcopy(changes | more)), tmp_path)
    assert "pipeline" not in {c.component for c in found.components} and found.threads is None
    for word in (
        "threads differs: A 1, B 4",
        "environment differs: cpu: A one, B two",
        "environment differs: onnxruntime: A 1, B 2",
        "B doesn't tell what else the machine did: that is not in the interval",
        "B: host: noisy",
        "pipeline: budgets differ (2 × text encoder + 10 × 2 × U-Net + decoder and not told): not compared",
    ):
        assert word in found.warnings


def test_a_profile_and_a_source_are_not_compared(small: Path, tmp_path: Path) -> None:
    stored = profile(tmp_path, "a")
    with pytest.raises(InputError, match=r"is a stored profile and .* is not"):
        run(small, stored, tmp_path)


def test_profiles_without_a_common_component_or_without_samples_are_refused(tmp_path: Path) -> None:
    a, b = profile(tmp_path, "a"), profile(tmp_path, "b")
    with pytest.raises(InputError, match="no component decoder in both profiles"):
        run(a, b, tmp_path, component="decoder")
    summary = json.loads(b.read_text())
    del summary["components"]["unet"]["latency_ms"]["samples"]
    b.write_text(json.dumps(summary))
    with pytest.raises(InputError, match=r"components\.unet\.latency_ms\.samples: found no times"):
        run(a, b, tmp_path)


def test_more_threads_than_cores_are_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--threads: found 4096; this process may use \d+ cores"):
        same = Request(str(small), Store(tmp_path / "s"))
        compare(same, same, How("onnxruntime", 4096, QUICK, layers=False))
