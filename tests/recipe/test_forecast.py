"""What a recipe is forecast to take: exact products, every stage, and what to set instead of days."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from workbench.compress.registry import steps
from workbench.errors import InputError
from workbench.models.families import family_of, layouts
from workbench.recipe.check import CheckReport, check_recipe
from workbench.recipe.load import load_recipe
from workbench.runtimes.torch.counting import count_component, count_unet
from workbench.store.store import Store

CHAIN = (
    "steps:\n  - remove_blocks: {layout: bk-tiny}\n  - distill: {steps: 3, batch: 2}\n  - quantize: {scheme: w8a8}\n"
)
DRAWN = "evaluate: {pictures: 5, trained_pictures: 2, steps: 4, samples: 3, timesteps: [9, 99]}\n"


def checked(folder: Path, store: Store, more: str = CHAIN + DRAWN, *overrides: str) -> CheckReport:
    (folder / "r.yaml").write_text(f"version: 1\nname: x\nmodel: demo\n{more}")
    return check_recipe(load_recipe(folder / "r.yaml", overrides), store)


def macs(report: CheckReport) -> dict[tuple[str, str], int]:
    return {(row.stage, row.name): row.macs for row in report.forecast}


def test_every_stage_has_a_row(tmp_path: Path, store: Store) -> None:
    report = checked(tmp_path, store)
    assert [(row.stage, row.name) for row in report.forecast] == [
        ("remove_blocks", "bk_tiny"),
        ("distill", "distilled"),
        ("quantize", "w8a8"),
        *(("export", f"base/{component}") for component in ("text_encoder", "unet", "vae_decoder")),
        ("export", "bk_tiny/unet"),
        ("export", "distilled/unet"),
        *(("evaluate", name) for name in ("base", "bk_tiny", "distilled", "w8a8")),
        ("profile", "host"),
    ]
    assert {row.source for row in report.forecast} == {"from MACs"}
    assert report.seconds == sum(row.seconds for row in report.forecast)
    assert report.memory_bytes == max(row.memory_bytes for row in report.forecast)
    assert all(row.memory_bytes > 0 and row.seconds > 0 for row in report.forecast)


def test_products_are_exact_counts_times_passes(tmp_path: Path, store: Store, demo: Path) -> None:
    from workbench.compress.remove_blocks.layouts import student_of

    family = family_of(demo)
    configs = family.configs(demo)
    parts = {part.name: part for part in family.parts}
    text, unet, decoder = (
        count_component(part, demo / part.folder, part.spec(configs).seeded()).macs_with_attention
        for part in (parts["text_encoder"], parts["unet"], parts["vae_decoder"])
    )
    ((_, tokens), _), *_ = parts["text_encoder"].spec(configs).inputs.values()
    student = student_of(configs("unet"), layouts()["bk-tiny"]).config
    tiny = count_unet(student, tokens=tokens).macs_with_attention

    found = macs(checked(tmp_path, store))
    pictures, compared = 5 + 2, 2 * 2 * 3
    assert found["evaluate", "base"] == 8 * text + (pictures * 4 * 2 + compared) * unet + pictures * decoder
    assert found["evaluate", "bk_tiny"] == 8 * text + (pictures * 4 * 2 + compared) * tiny + pictures * decoder
    assert found["distill", "distilled"] == 3 * 2 * (3 * tiny + text) + 2 * unet  # a new batch in one step of four
    assert found["export", "bk_tiny/unet"] == 2 * tiny

    unguided = macs(checked(tmp_path, store, CHAIN + DRAWN, "evaluate.guidance_scale=1"))
    assert unguided["evaluate", "base"] == 8 * text + (pictures * 4 + compared) * unet + pictures * decoder


@pytest.mark.parametrize(
    ("override", "stage"),
    [
        ("distill.steps=6", "distill"),
        ("distill.batch=4", "distill"),
        ("quantize.calibration.prompts=17", "quantize"),
        ("quantize.calibration.steps=11", "quantize"),
        ("evaluate.pictures=6", "evaluate"),
        ("evaluate.steps=5", "evaluate"),
        ("profile.iterations=31", "profile"),
    ],
)
def test_more_work_takes_more_and_changes_nothing_else(tmp_path: Path, store: Store, override: str, stage: str) -> None:
    store.compute("k", lambda _out: {})  # keeps the machine's speed
    before, after = checked(tmp_path, store), checked(tmp_path, store, CHAIN + DRAWN, override)
    for old, new in zip(before.forecast, after.forecast, strict=True):
        assert new.seconds > old.seconds if old.stage == stage else new.seconds == old.seconds, old.name


BRANCHES = """steps:
  - prune: {ratio: 0.5}
  - distill: {steps: 3, batch: 2}
  - distill_consistency: {from: base, steps: 2, batch: 2, w_min: 0, w_max: 3}
  - quantize: {scheme: w8a8, components: [text_encoder, vae_decoder], from: base}
  - quantize: {scheme: fp16, from: base}
  - quantize: {method: qat, qat: {steps: 2}, from: base, candidate: trained}
  - replace_unet: {model: "demo:teacher"}
  - remove_blocks: {search: {budget: {macs: 0.6}}, from: base}
"""


def test_every_kind_of_step_says_what_it_takes(tmp_path: Path, store: Store, demo: Path) -> None:
    report = checked(tmp_path, store, BRANCHES + DRAWN)
    kinds = {row.stage for row in report.forecast}
    assert set(steps()) <= kinds
    found = macs(report)
    assert ("evaluate", "few_steps-4steps") in found and ("evaluate", "few_steps-1step") in found
    assert found["evaluate", "few_steps-2steps"] > found["evaluate", "few_steps-1step"]
    assert found["evaluate", "pruned"] < found["evaluate", "base"], "pruned widths, which no config tells"
    assert found["evaluate", "blocks_searched"] < found["evaluate", "base"]
    assert found["quantize", "trained"] > 0


def test_days_are_told_with_what_to_set_instead(tmp_path: Path, store: Store) -> None:
    report = checked(tmp_path, store, CHAIN + DRAWN, "evaluate.pictures=100000", "evaluate.steps=1000")
    (line,) = report.slow
    assert line.startswith("evaluate: 100002 pictures × 1000 steps × 2 passes, 4 candidates, on this CPU: about ")
    assert " days; with evaluate.pictures=" in line and f"takes long: {line}" in str(report)
    trained = checked(tmp_path, store, CHAIN + DRAWN, "distill.steps=10000000")
    (line,) = trained.slow
    assert line.startswith("distill distilled: 10000000 steps, on this CPU: about ") and "; with distill.steps=" in line
    assert checked(tmp_path, store).slow == ()


def test_a_stage_beyond_the_limit_is_refused_with_what_would_help(tmp_path: Path, store: Store) -> None:
    usual = checked(tmp_path, store)
    enough = checked(tmp_path, store, CHAIN + DRAWN, f"max_memory_gb={usual.memory_bytes / 1e9 + 0.01}")
    assert enough.forecast[0].memory_bytes == usual.forecast[0].memory_bytes
    with pytest.raises(InputError) as caught:
        checked(tmp_path, store, CHAIN + DRAWN, "distill.batch=512", "max_memory_gb=2.5")
    told = str(caught.value)
    assert told.startswith("--set max_memory_gb=2.5: max_memory_gb: found 2.5; distill distilled needs about ")
    assert "; with distill.at_once=" in told
    with pytest.raises(InputError, match="set it higher, or start from a smaller model"):
        checked(tmp_path, store, CHAIN + DRAWN, "max_memory_gb=0.1")


def test_the_limit_is_an_option_and_no_part_of_any_result(tmp_path: Path, store: Store) -> None:
    (tmp_path / "r.yaml").write_text(f"version: 1\nname: x\nmodel: demo\n{CHAIN}")
    refused = workbench("check", "r.yaml", "--max-memory-gb", "0.2", cwd=tmp_path)
    assert refused.exit_code == 2 and "max_memory_gb: found 0.2" in refused.stderr
    recipes = [load_recipe(tmp_path / "r.yaml", extra).recipe for extra in ([], ["max_memory_gb=9"])]
    assert recipes[0].settings() == recipes[1].settings() and recipes[1].max_memory_bytes == 9 * 10**9


def test_the_json_has_every_stage_and_nothing_else_on_standard_output(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"version: 1\nname: x\nmodel: demo\n{CHAIN}")
    told = json.loads(workbench("check", "r.yaml", "--json", cwd=tmp_path).stdout)
    assert set(told["forecast"][0]) >= {"stage", "name", "seconds", "memory_bytes", "disk_bytes", "macs", "source"}


def test_a_report_is_plain_data(tmp_path: Path, store: Store) -> None:
    report = checked(tmp_path, store)
    assert json.loads(json.dumps(asdict(report)))["seconds"] == report.seconds
