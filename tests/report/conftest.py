"""A run as a real one looks: four candidates on two targets, the demo U-Net's layer names, generated pictures."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from workbench.metrics.scores import SCHEMA, MetricValue, Scores
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.sources import demo_folder
from workbench.recipe.schema import Recipe
from workbench.report.data import CandidateData, RunData
from workbench.report.html import write_report

NAMES = ("base", "bk_tiny", "distilled", "w8a8")
PROMPTS = (
    "red apple",
    "grinning cat",
    "sun behind a cloud",
    "snail",
    "hot beverage",
    "green heart on a blue background",
)
PROMPTS += ("owl", "fire engine", "crescent moon")
RECIPE = """version: 1
name: bk_tiny_w8a8
model: demo
seed: 0
steps:
  - remove_blocks: {layout: bk-tiny}
  - distill: {steps: 300}
  - quantize: {scheme: w8a8}
rank:
  maximize: alignment
  constraints: {latency_ms: 150, size_mb: 20, alignment_drop: 0.1}
"""
# median ms of one pass of text encoder, U-Net, decoder; size in bytes; alignment with its interval; PSNR
HOST = {"base": (3.1, 12.9, 21.4), "bk_tiny": (3.1, 6.4, 21.3), "distilled": (3.0, 6.5, 21.4), "w8a8": (3.1, 4.1, 21.4)}
TORCH = {"base": (4.4, 25.2, 33.0), "bk_tiny": (4.4, 12.1, 33.1), "distilled": (4.4, 12.0, 33.0)}
SIZES = {"base": 36_900_000, "bk_tiny": 22_300_000, "distilled": 22_300_000, "w8a8": 15_100_000}
ALIGNMENT = {"base": 0.312, "bk_tiny": 0.141, "distilled": 0.297, "w8a8": 0.295}
DROPPED = ("mid_block", "down_blocks.3", "up_blocks.0")


def layers_of(candidate: str, target: str) -> pd.DataFrame:
    """Layers of the demo U-Net by its weight file, with times in proportion to their MACs."""
    file = demo_folder() / "unet" / "diffusion_pytorch_model.safetensors"
    with file.open("rb") as opened:
        header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
    rng = np.random.default_rng(len(candidate) * 10 + len(target))
    rows = []
    for name, entry in header.items():
        layer, _, kind = name.rpartition(".")
        if kind != "weight" or (candidate != "base" and layer.startswith(DROPPED)):
            continue
        shape = entry["shape"]
        side = 256 // 4 ** (int(layer.split(".")[1]) if layer.startswith("down") else 1)
        macs = int(np.prod(shape)) * (side if len(shape) > 1 else 0)
        conv = len(shape) == 4
        int8 = candidate == "w8a8" and len(shape) > 1 and layer not in ("conv_in", "conv_out")
        speed = (0.55 if conv else 1.15) if int8 else 1.0
        rows.append(
            {
                "component": "unet", "layer": layer, "op": {4: "Conv", 2: "MatMul"}.get(len(shape), "LayerNorm"),
                "scheme": "w8a8" if int8 else "fp32", "calls": 1,
                "latency_ms": (macs / 4e7 * speed + 0.004) * rng.uniform(0.85, 1.15), "latency_iqr_ms": 0.002,
                "share": 0.0, "macs": macs, "params": int(np.prod(shape)),
                "weight_bytes": int(np.prod(shape)) * (1 if int8 else 4), "activation_bytes": 65536, "peak_bytes": None,
            }
        )  # fmt: skip
    if candidate == "w8a8":
        rows.append(
            {"component": "unet", "layer": "conv_in", "op": "QuantizeLinear", "scheme": "w8a8", "latency_ms": 0.08}
        )
    for component, layer, time in (
        ("text_encoder", "encoder.layers.0.mlp.fc1", 0.9), ("text_encoder", "encoder.layers.0.self_attn.q_proj", 0.4),
        ("vae_decoder", "decoder.conv_in", 0.8), ("vae_decoder", "decoder.up_blocks.3.resnets.0.conv1", 9.0),
        ("unet", "(unmapped)", 0.11), ("unet", "(runtime)", 0.6),
    ):  # fmt: skip
        rows.append({"component": component, "layer": layer, "op": "Gemm", "scheme": "fp32", "latency_ms": time})
    return pd.DataFrame(rows)


def profile_of(candidate: str, target: str) -> dict[str, Any]:
    """A profile's summary as workbench.profile writes it."""
    times = dict(
        zip(
            ("text_encoder", "unet", "vae_decoder"), {"host": HOST, "host-torch": TORCH}[target][candidate], strict=True
        )
    )
    parts = {name: ms * {"unet": 20, "text_encoder": 2}.get(name, 1) for name, ms in times.items()}
    total = sum(parts.values())
    latency = {"median": total, "p90": total * 1.06, "iqr": total * 0.03, "min": total * 0.97, "n": 78, "unit": "ms"}
    macs = {"text_encoder": 14_700_000, "unet": 262_000_000, "vae_decoder": 391_000_000}
    macs["unet"] = macs["unet"] if candidate == "base" else 141_000_000
    params = {
        "text_encoder": 1_300_000,
        "unet": 14_987_812 if candidate == "base" else 8_400_000,
        "vae_decoder": 1_600_000,
    }
    components = {
        name: {
            "latency_ms": {"median": ms, "p90": ms * 1.06, "iqr": ms * 0.03, "min": ms * 0.97, "n": 78},
            "load_cold_ms": 61.0, "load_warm_ms": 24.5, "first_call_ms": ms * 1.9, "size_bytes": SIZES[candidate] // 3,
            "params": params[name], "macs": macs[name], "macs_with_attention": int(macs[name] * 1.07),
            "quantized_macs_share": 0.962 if candidate == "w8a8" and name == "unet" else 0.0, "kernel_ms": ms * 0.93,
            "op_ms": {"Conv": ms * 0.6, "QuantizeLinear": 0.08 if (candidate, name) == ("w8a8", "unet") else 0.0},
            "kernel_over_wall": 0.93, "unmapped_share": 0.011,
            "scheme": "w8a8" if candidate == "w8a8" and name == "unet" else "fp32",
            "shared_with": None if candidate == "base" or name == "unet" else f"base.{name}",
        }
        for name, ms in times.items()
    }  # fmt: skip
    return {
        "candidate": candidate, "target": target, "scheme": "w8a8" if candidate == "w8a8" else "fp32",
        "runtime_rss_bytes": 46_000_000, "running_rss_bytes": 150_000_000,
        "simulated": False, "emulated": False, "threads": 2, "seed": 0,
        "pipeline": {
            "steps": 10, "guidance_passes": 2, "formula": FAMILY.formula, "parts_ms": parts,
            "latency_ms": latency,
        },
        "components": components, "size_bytes": SIZES[candidate], "peak_rss_bytes": 310_000_000 + 4 * SIZES[candidate],
        "params": sum(params.values()), "macs": sum(macs.values()),
        "macs_with_attention": int(sum(macs.values()) * 1.07),
        "warnings": [],
    }  # fmt: skip


def scored(value: float, half: float, **more: Any) -> MetricValue:
    """A metric's value with its interval."""
    return MetricValue(value=value, low=value - half, high=value + half, n=128, **more)


def scores_of(candidate: str) -> Scores:
    """A candidate's scores as workbench.evaluate gives them."""
    value = ALIGNMENT[candidate]
    metrics = {
        "alignment": scored(value, 0.014, real=0.361),
        "retrieval_at_1": scored(value * 1.9, 0.08),
        "frechet": scored(0.09 / value, 0.01),
    }
    if candidate != "base":
        psnr = {"bk_tiny": 11.2, "distilled": 16.9, "w8a8": 16.4}[candidate]
        metrics["psnr_db"] = scored(psnr, 0.6)
        by_timestep = {str(t): psnr - 2 + t / 90 for t in (999, 799, 599, 399, 199, 39)}
        metrics["unet_sqnr_db"] = scored(psnr + 3, 0.4, by_timestep=by_timestep)
        metrics["guidance_ratio"] = scored(psnr / 17, 0.05)
    return {
        "schema": SCHEMA, "n": 128, "steps": 10, "guidance_scale": 3.0, "seed": 0, "seconds": 33.0,
        "metrics": metrics, "paired": [],
        "pictures": [f"{i:03d}.png" for i in range(len(PROMPTS))], "prompts": list(PROMPTS),
    }  # fmt: skip


def draw_pictures(folder: Path, candidate: str) -> None:
    """64 × 64 pictures: a coloured disc per prompt, the noisier the worse the candidate."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[:64, :64]
    for i in range(len(PROMPTS)):
        rng = np.random.default_rng(i)
        colour, back = rng.uniform(40, 240, 3), rng.uniform(150, 250, 3)
        disc = ((x - 32) ** 2 + (y - 32) ** 2 < (14 + 2 * i) ** 2)[..., None]
        noise = rng.normal(0, 4 if candidate == "base" else 45 if candidate == "bk_tiny" else 9, (64, 64, 3))
        picture = np.where(disc, colour, back) + noise
        Image.fromarray(picture.clip(0, 255).astype("uint8")).save(folder / f"{i:03d}.png")


def recipe(**changes: Any) -> Recipe:
    """The recipe of the run; ``rank`` and other keys can be replaced."""
    limits = {"latency_ms": 150, "size_mb": 20, "alignment_drop": 0.1}
    fields: dict[str, Any] = {"version": 1, "name": "bk_tiny_w8a8", "model": "demo", "description": "BK-Tiny in 8 bits"}
    return Recipe.model_validate(fields | {"rank": {"maximize": "alignment", "constraints": limits}} | changes)


def curve() -> list[list[Any]]:
    """A loss of three terms that falls, in 100 points over 300 steps."""
    rng = np.random.default_rng(0)
    points = []
    for step in range(2, 300, 3):
        terms = {"task": 0.28 + 0.2 * np.exp(-step / 40), "output": 0.05 + 0.3 * np.exp(-step / 50)}
        terms["feature"] = 0.3 + 1.6 * np.exp(-step / 60)
        terms = {k: float(v * rng.uniform(0.9, 1.1)) for k, v in terms.items()}
        points.append([step, {"loss": sum(terms.values()), **terms}])
    return points


def candidates() -> list[CandidateData]:
    """The chain with what its steps report."""
    dropped = [
        {"block": b, "params": 2_100_000 - 300_000 * i, "macs": 31_000_000 + 9_000_000 * i, "macs_attention": 900_000}
        for i, b in enumerate(DROPPED)
    ]
    reports: dict[str, Mapping[str, Any]] = {
        "base": {},
        "bk_tiny": {
            "copied_tensors": 412, "teacher_tensors": 686, "dropped": dropped,
            "params": {"before": 14_987_812, "after": 8_400_000}, "macs": {"before": 262_000_000, "after": 141_000_000},
        },
        "distilled": {
            "steps": 300, "pictures_seen": 9600,
            "first_tenth": {"loss": 1.93, "task": 0.41, "output": 0.22, "feature": 1.3},
            "last_tenth": {"loss": 0.71, "task": 0.29, "output": 0.06, "feature": 0.36},
            "curve": curve(),
        },
        "w8a8": {
            "scheme": "w8a8", "method": "ptq", "backend": "onnxruntime", "rounding": "nearest", "seconds": 41.2,
            "components": {"unet": {
                "layers_quantized": 182,
                "layers_exempt": [
                    {"layer": "conv_in", "reason": "edges", "weights": 2304, "macs": 589_824},
                    {"layer": "conv_out", "reason": "edges", "weights": 2304, "macs": 589_824},
                ],
                "exemptions": {"policy": "edges", "layers": 2, "weights_share": 0.0006, "macs_share": 0.008},
                "int8_share": {"macs": 0.962, "macs_with_attention": 0.904, "weights": 0.998},
                "size_bytes": {"before": 33_500_000, "after": 8_900_000},
                "sqnr_db": {"median": 27.4, "min": 21.0, "max": 31.5, "n": 24, "by_timestep": {"999": 30.8}},
            }},
        },
    }  # fmt: skip
    lineage = ("remove_blocks", "distill", "quantize")
    return [
        CandidateData(n, "w8a8" if n == "w8a8" else "fp32", lineage[:i], reports[n], f"{i:x}" * 64, parent)
        for i, (n, parent) in enumerate(zip(NAMES, (None, *NAMES), strict=False))
    ]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    """A whole run."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in NAMES:
        draw_pictures(folder / name, name)
    pairs = [("host", n) for n in HOST] + [("host-torch", n) for n in TORCH]
    return RunData(
        recipe=recipe(),
        recipe_text=RECIPE,
        candidates=candidates(),
        scores={n: scores_of(n) for n in NAMES},
        pictures={n: folder / n for n in NAMES},
        profiles={(t, n): profile_of(n, t) for t, n in pairs},
        layers={(t, n): layers_of(n, t) for t, n in pairs},
        warnings=["host: load average was 2.4 during profiling of w8a8; times may be high"],
        environment={"cpu": "test processor", "cores": 2, "memory_bytes": 8_200_000_000},
        timings={"bk_tiny": 1.9, "distilled": 141.0, "w8a8": 41.2, "evaluate base": 33.0, "profile": 52.4},
        recipe_hash="a1" * 32,
    )  # fmt: skip


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Parts to build other runs of."""
    return SimpleNamespace(names=NAMES, recipe=recipe, candidates=candidates, draw_pictures=draw_pictures)


@pytest.fixture(scope="session")
def page(run: RunData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run, with its CSV beside it."""
    return write_report(run, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="session")
def small(run: RunData) -> RunData:
    """The run without layers and on one target only: quick to write."""
    profiles = {key: profile for key, profile in run.profiles.items() if key[0] == "host"}
    return replace(run, profiles=profiles, layers={})


@pytest.fixture(scope="session")
def hostile(run: RunData) -> RunData:
    """The run with HTML wherever someone else gives a name."""
    evil = '<img src=x onerror="document.title=1">&\'"</style></script><script>document.title=1</script>'

    def named(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
        keys = {
            key: tuple(evil if k == "base" else k for k in key) if isinstance(key, tuple) else key for key in mapping
        }
        return {evil if key == "base" else keys[key]: value for key, value in mapping.items()}

    report = {evil: evil, "rows": [{evil: evil}]}
    first, *others, last = run.candidates
    layers = run.layers["host", "base"].assign(op=evil)
    layers["layer"] = evil + layers["layer"]
    return replace(
        run,
        candidates=[replace(first, name=evil, report=report), *others, replace(last, report=report)],
        scores=named({**run.scores, "base": {**run.scores["base"], "prompts": [evil, *PROMPTS[1:]]}}),
        pictures=named(run.pictures),
        profiles=named({key: profile for key, profile in run.profiles.items() if key[0] == "host"}),
        layers=named({("host", "base"): layers, ("host", "w8a8"): layers}),
        warnings=[evil],
        environment={evil: evil},
        recipe=run.recipe.model_copy(update={"description": evil}),
        recipe_text=evil,
    )


@pytest.fixture
def change(run: RunData) -> Callable[..., RunData]:
    """The run with some fields replaced."""
    return lambda **fields: replace(run, **fields)
