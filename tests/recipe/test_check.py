"""What a check finds before any work, and what it says of a recipe that can be run."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from tests.fixtures.command import COMMAND, environment, process
from workbench.errors import InputError
from workbench.models.weights import read_header
from workbench.recipe.check import check_recipe
from workbench.recipe.load import Loaded, load_recipe
from workbench.store.store import Store

CHAIN = "steps:\n  - remove_blocks: {layout: bk-tiny}\n  - distill: {steps: 3}\n  - quantize: {scheme: w8a8}\n"


def loaded(folder: Path, more: str = CHAIN, model: str = "demo", *overrides: str) -> Loaded:
    (folder / "r.yaml").write_text(f"version: 1\nname: x\nmodel: {model}\n{more}")
    return load_recipe(folder / "r.yaml", overrides)


def refusal(recipe: Loaded, store: Store, **options: int) -> str:
    with pytest.raises(InputError) as caught:
        check_recipe(recipe, store, **options)
    return str(caught.value)


def test_a_sound_recipe_is_told_its_chain_and_leaves_no_trace(tmp_path: Path, store: Store, demo: Path) -> None:
    report = check_recipe(loaded(tmp_path), store, tmp_path)

    assert report.stored == {"bk_tiny": False, "distilled": False, "w8a8": False}
    assert report.folder == str(demo)
    assert report.warnings == ()
    assert "base → bk_tiny → distilled → w8a8" in str(report)
    assert json.loads(json.dumps(asdict(report)))["name"] == "x"
    assert [f.name for f in tmp_path.iterdir()] == ["r.yaml"]


def test_too_little_disk_is_refused(tmp_path: Path, store: Store) -> None:
    needs = check_recipe(loaded(tmp_path), store).disk_bytes
    told = refusal(loaded(tmp_path), store, free_bytes=needs - 1)

    assert told.startswith(f"{tmp_path}/r.yaml: {store.root}: needs up to ")
    assert "hint: make room, or name a folder on another disk with --store" in told
    assert check_recipe(loaded(tmp_path), store, free_bytes=needs).disk_free_bytes == needs


def test_a_model_too_large_for_this_disk_is_refused_and_too_large_for_memory_is_told(
    tmp_path: Path, store: Store, own_model: Callable[[], Path]
) -> None:
    """Weights of a size that only a sparse file can have."""
    file = own_model() / "unet" / "diffusion_pytorch_model.safetensors"
    shapes = {**read_header(file).shapes, "one more": (min(shutil.disk_usage(tmp_path).free, 2**42),)}
    file.unlink()
    entries, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(file, 8 + len(header) + end)
    recipe = loaded(tmp_path, CHAIN, str(tmp_path / "own"))

    assert "needs up to " in refusal(recipe, store)
    report = check_recipe(recipe, store, free_bytes=2**62)
    assert [w.split(":")[0] for w in report.warnings] == ["memory"]


def test_more_threads_than_cores_are_warned_of(tmp_path: Path, store: Store) -> None:
    report = check_recipe(loaded(tmp_path, "profile: {threads: 1000}\n"), store)
    cores = len(os.sched_getaffinity(0))
    where = f"{tmp_path}/r.yaml:4: profile.threads"
    assert report.warnings == (
        f"{where}: found 1000, but this process may use {cores} cores; latencies will say little",
    )


def test_a_second_removal_is_checked_against_what_the_first_leaves(tmp_path: Path, store: Store) -> None:
    again = "steps:\n  - remove_blocks: {layout: bk-small}\n  - remove_blocks: {blocks: [mid_block]}\n"
    told = refusal(loaded(tmp_path, again), store)
    place = f"{tmp_path}/r.yaml:6: steps.1.remove_blocks.blocks"
    assert told.startswith(f"{place}: mid_block: this U-Net has no such block")


BRANCHED = """steps:
  - remove_blocks: {layout: bk-tiny}
  - quantize: {scheme: w8a8}
  - distill: {from: bk_tiny, steps: 3}
  - remove_blocks: {from: base, layout: bk-base, candidate: other}
"""


def test_a_step_may_start_from_any_earlier_candidate(tmp_path: Path, store: Store) -> None:
    from workbench.recipe.plan import plan_steps

    recipe = loaded(tmp_path, BRANCHED)
    report = check_recipe(recipe, store)
    assert dict(report.parents) == {"bk_tiny": "base", "w8a8": "bk_tiny", "distilled": "bk_tiny", "other": "base"}
    assert "base → bk_tiny → w8a8 → distilled (from bk_tiny) → other (from base)" in str(report)
    straight = plan_steps(loaded(tmp_path, BRANCHED.replace("  - quantize: {scheme: w8a8}\n", "")).recipe, "b", "d")
    branched = plan_steps(recipe.recipe, "b", "d")
    assert [step.key for step in branched if step.candidate != "w8a8"] == [step.key for step in straight]


def test_what_depends_on_the_machine_has_another_key_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.recipe.plan import plan_steps
    from workbench.store import processor

    def keys(flags: str) -> list[str]:
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
        steps = "steps:\n  - quantize: {backend: openvino}\n  - quantize: {from: base}\n"
        return [step.key for step in plan_steps(loaded(tmp_path, steps).recipe, "b", "d")]

    overflowing, other = keys("avx2 fma"), keys("avx2 fma avx512_vnni")
    assert overflowing[0] != other[0], "NNCF leaves a bit of the weights unused for OpenVINO where products overflow"
    assert overflowing[1] == other[1], "the file for ONNX Runtime is the same everywhere"


def test_a_branch_from_nowhere_or_from_onnx_is_refused(tmp_path: Path, store: Store) -> None:
    later = loaded(tmp_path, "steps:\n  - distill: {from: bk_tinny}\n  - remove_blocks: {layout: bk-tiny}\n")
    assert "found 'bk_tinny'; needs one of base" in refusal(later, store)
    near = loaded(tmp_path, "steps:\n  - remove_blocks: {layout: bk-tiny}\n  - distill: {from: bk_tinny}\n")
    assert "r.yaml:6: steps.1.distill.from: found 'bk_tinny'; needs one of base, bk_tiny; did you mean bk_tiny?" in (
        refusal(near, store)
    )
    onnx = loaded(tmp_path, "steps:\n  - quantize: {}\n  - distill: {from: w8a8}\n")
    assert "or start elsewhere with from:" in refusal(onnx, store)


def test_problems_of_all_kinds_come_in_one_message(tmp_path: Path, own_model: Callable[[], Path]) -> None:
    (own_model() / "scheduler" / "scheduler_config.json").unlink()
    (tmp_path / "file").write_text("")
    more = "evaluate: {prompts: nothing.txt}\nsteps:\n  - quantize: {scheme: w8a8}\n  - distill: {steps: 3}\n"
    own = str(tmp_path / "own")
    told = refusal(loaded(tmp_path, more, own), Store(tmp_path / "file")).splitlines()

    r = f"{tmp_path}/r.yaml"
    assert [line.split(": ")[:2] for line in told] == [
        [f"{r}:7", "steps.1.distill"],
        [f"{r}:4", "evaluate.prompts"],
        [f"{r}:3", "model"],
        [f"{tmp_path}/file", f"can't write there ({tmp_path}/file is not a folder); name another folder with --store"],
    ]


def test_an_override_that_breaks_the_chain_is_named(tmp_path: Path, store: Store) -> None:
    told = refusal(loaded(tmp_path, CHAIN, "demo", "distill.candidate=bk_tiny"), store)
    place = "--set distill.candidate=bk_tiny: steps.1.distill.candidate"
    assert told == f"{place}: found 'bk_tiny', the name of steps.0; needs another name"


def test_own_pictures_are_looked_at(tmp_path: Path, store: Store) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"no picture")
    (pictures / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "a"}\n')
    more, kinds = f"data: {pictures}\n", "BMP, GIF, JPEG, PNG, TIFF, WEBP"
    assert (
        refusal(loaded(tmp_path, more), store)
        == f"{tmp_path}/r.yaml:4: data: no picture can be used: a.png: none of {kinds}"
    )

    (pictures / "metadata.jsonl").write_text('{"file_name": "b.png", "text": "a"}\n')
    told = f"{pictures}/metadata.jsonl:1: no picture 'b.png' in {pictures}"
    assert refusal(loaded(tmp_path, more), store) == f"{tmp_path}/r.yaml:4: data: {told}"


def test_a_model_without_pictures_needs_them_only_where_they_are_used(
    tmp_path: Path, store: Store, own_model: Callable[[], Path]
) -> None:
    own = own_model()
    for file in (own / "data").iterdir():
        file.unlink()
    (tmp_path / "prompts.txt").write_text("a cat\n")
    asked = f"evaluate: {{prompts: {tmp_path}/prompts.txt}}\n"
    told = f"{tmp_path}/r.yaml:1: data: this model brings no captioned pictures; name a folder of captioned pictures"

    assert refusal(loaded(tmp_path, "", str(own)), store).startswith(told)
    for steps in (
        "",
        "steps: [quantize: {scheme: w8a8}]\n",
        "steps: [remove_blocks: {search: {budget: {macs: 0.8}}}]\n",
    ):
        check_recipe(loaded(tmp_path, asked + steps, str(own)), store)
    assert refusal(loaded(tmp_path, asked + "steps: [distill: {steps: 3}]\n", str(own)), store).startswith(told)


def test_latents_that_the_denoiser_does_not_take_are_refused(
    tmp_path: Path, store: Store, own_model: Callable[[], Path]
) -> None:
    own = own_model()
    rewrite(own / "unet" / "config.json", sample_size=32)
    told = refusal(loaded(tmp_path, model=str(own)), store)
    assert "pictures.safetensors: found latents of shape" in told and "4, 32, 32], one for each caption" in told


@pytest.mark.parametrize("few", ["unet", "scheduler"])
def test_a_model_of_few_steps_teaches_nobody_to_draw_in_many(
    tmp_path: Path, store: Store, own_model: Callable[[], Path], demo: Path, few: str
) -> None:
    own = own_model()
    if few == "unet":
        shutil.rmtree(own / "unet")
        shutil.copytree(demo / "students" / "few", own / "unet")
    else:
        rewrite(own / "scheduler" / "scheduler_config.json", _class_name="LCMScheduler")
    of = "r.yaml:6: steps.1.{}.teacher: found 'base', which is distilled to few steps"
    for kind in ("distill", "distill_consistency"):
        chain = f"steps:\n  - replace_unet: {{model: {demo}}}\n  - {kind}: {{steps: 3}}\n"
        assert of.format(kind) in refusal(loaded(tmp_path, chain, str(own)), store)
        told = chain.replace("steps: 3", "steps: 3, teacher: teacher")
        check_recipe(loaded(tmp_path, told, str(own)), store)


@pytest.mark.parametrize(
    "step",
    ["distill: {}", "distill_consistency: {}", "prune: {ratio: 0.3}", "quantize: {method: qat}"],
)
def test_only_what_is_known_to_be_predicted_is_trained(
    tmp_path: Path, store: Store, own_model: Callable[[], Path], step: str
) -> None:
    own = own_model()
    more = f"steps: [{step}]\n"
    rewrite(own / "scheduler" / "scheduler_config.json", prediction_type="sample")
    check_recipe(loaded(tmp_path, more, str(own)), store)
    rewrite(own / "scheduler" / "scheduler_config.json", prediction_type="flow_prediction")
    assert 'prediction_type: found "flow_prediction"' in refusal(loaded(tmp_path, more, str(own)), store)


def rewrite(file: Path, **changes: object) -> None:
    """Changes a config of ``own_model``, whose files are links."""
    config = json.loads(file.read_text()) | changes
    file.unlink()
    file.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("step", "runtimes", "told"),
    [
        (
            "scheme: w8a16",
            "onnxruntime, openvino",
            "scheme: w8a16 will only be simulated, in float, on ONNX Runtime and",
        ),
        ("scheme: w4a8", "onnxruntime", "scheme: w4a8 will only be simulated"),
        ("backend: nncf", "onnxruntime", "scheme: w8a8 will only be simulated, in float, on ONNX Runtime:"),
        ("backend: nncf", "openvino", None),
        ("scheme: w8a8", "torch, onnxruntime", None),
        ("scheme: w8a8", "torch", "backend: onnxruntime makes .onnx files, which won't be measured: PyTorch"),
        (
            "backend: openvino",
            "onnxruntime",
            "backend: openvino makes .xml files, which won't be measured",
        ),
        ("scheme: w8a8", "onnxruntime", None),
        ("scheme: w4a16", "onnxruntime", None),
    ],
)
def test_what_a_runtime_only_simulates_or_does_not_run_is_said_before_the_work(
    tmp_path: Path, store: Store, step: str, runtimes: str, told: str | None
) -> None:
    more = f"steps: [quantize: {{{step}}}]\nprofile: {{runtimes: [{runtimes}]}}\n"
    warnings = check_recipe(loaded(tmp_path, more), store).warnings
    assert len(warnings) == (told is not None)
    assert all(f"r.yaml:4: steps.0.quantize.{told}" in warning for warning in warnings)


def test_a_target_for_pruning_is_refused_where_no_width_can_shrink(tmp_path: Path, store: Store) -> None:
    more = "steps: [prune: {macs_target: 0.5, round_to: 1024}]\n"
    assert "steps.0.prune.round_to: found 1024" in refusal(loaded(tmp_path, more), store)


def test_a_step_whose_result_is_stored_takes_no_more_disk(tmp_path: Path, store: Store) -> None:
    from workbench.data.captioned import data_key
    from workbench.models.sources import base_candidate
    from workbench.recipe.plan import plan_steps

    recipe = loaded(tmp_path)
    before = check_recipe(recipe, store)
    base = base_candidate("demo", store)
    first = plan_steps(recipe.recipe, base.key, data_key(None, base.source, store))[0]
    store.compute(first.key, lambda _folder: {"components": {}})
    after = check_recipe(recipe, store)

    assert after.stored == {"bk_tiny": True, "distilled": False, "w8a8": False}
    assert after.forecast[0].source == "stored"
    assert before.disk_bytes - after.disk_bytes == before.forecast[0].disk_bytes > 0


def test_a_model_that_the_network_keeps_away_is_told_with_its_line(tmp_path: Path) -> None:
    loaded(tmp_path, "", "hub:nobody/nothing")
    offline = environment(HF_HUB_OFFLINE="1", HF_HUB_CACHE=str(tmp_path / "cache"))
    done = process([*COMMAND, "check", "r.yaml"], cwd=tmp_path, env=offline)
    assert done.stderr.startswith("error: r.yaml:3: model: hub:nobody/nothing: can't be fetched (")
    assert done.returncode == 1, done.stderr


def test_checking_again_loads_no_heavy_library(tmp_path: Path) -> None:
    """Networks are counted by torch once, and what was counted lies in a store that has results."""
    grouped = "{scheme: w4a16, from: distilled, group_size: 8, exempt: {patterns: [conv_in]}}"
    loaded(tmp_path, f"{CHAIN}  - quantize: {grouped}\n")
    code = (
        "import sys; from workbench.cli.main import app; app(['check', 'r.yaml'], standalone_mode=False);"
        "print(sorted({'torch', 'diffusers', 'transformers', 'onnx', 'nncf', 'pandas'} & {*sys.modules}))"
    )
    Store(tmp_path / ".workbench").compute("k", lambda _out: {})
    first, again = (process([sys.executable, "-c", code], cwd=tmp_path) for _ in range(2))
    assert first.stdout.splitlines()[-1] == "['diffusers', 'torch', 'transformers']", first.stderr
    assert again.stdout.splitlines()[-1] == "[]", again.stderr


@pytest.mark.parametrize(
    "rank",
    [
        "{maximize: alignment}",
        "{maximize: retrieval_at_1}",
        "{maximize: speed, constraints: {alignment_drop: 0.1}}",
    ],
)
def test_what_a_model_without_a_scorer_can_not_be_ranked_by_is_refused_before_any_work(
    rank: str, tmp_path: Path, store: Store, own_model: Callable[[], Path]
) -> None:
    shutil.rmtree(own_model() / "scorer")
    message = refusal(loaded(tmp_path, f"rank: {rank}\n", "own"), store)
    assert "r.yaml:4: rank." in message and "needs a scorer" in message and "psnr_db" in message
    for usable in ("{}", "{maximize: psnr_db, constraints: {psnr_db: 5, perceptual_drop: 0.4}}"):
        check_recipe(loaded(tmp_path, f"rank: {usable}\n", "own"), store)


def test_pictures_of_other_splits_alone_leave_nothing_to_draw(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "own_pictures"
    folder.mkdir()
    Image.new("RGB", (64, 64)).save(folder / "0.png")
    (folder / "metadata.csv").write_text("file_name,text,split\n0.png,a cat,extra\n")
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\ndata: own_pictures\n")
    message = refusal(load_recipe(tmp_path / "r.yaml"), store)
    assert message == f"{tmp_path}/r.yaml:4: data: no row has the split 'train' or 'held_out'; their captions are drawn"
