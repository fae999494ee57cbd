"""A family is added in one place: a folder with one module, which nothing in the package names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import ROOT
from workbench.compress.distill.step import DistillConfig
from workbench.compress.quantize.config import QuantizeConfig
from workbench.models import families
from workbench.models.candidate import pipeline_candidate
from workbench.models.sources import resolve as resolve_model
from workbench.profile.counts import count_networks
from workbench.profile.host import Settings, measure_host
from workbench.profile.write import Budget, summarize
from workbench.progress import quiet
from workbench.recipe.check_steps import denoiser_problems
from workbench.recipe.schema import Recipe
from workbench.report.per_picture import denoiser_of, passes_of, told
from workbench.report.sections.budget.sums import table
from workbench.sources import resolve
from workbench.sources.request import DENOISER, Request
from workbench.store.store import Store

STEPS, GUIDANCE = 4, 7.5


@pytest.fixture(scope="module")
def toy() -> Iterator[Any]:
    """The family, found by scanning the folder that it lies in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(families, "__path__", [*families.__path__, str(ROOT / "tests" / "fixtures" / "families")])
        families.families.cache_clear()
        yield importlib.import_module("workbench.models.families.toy")
    families.families.cache_clear()
    del sys.modules["workbench.models.families.toy"], families.toy


@pytest.fixture(scope="module")
def folder(toy, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toys") / "whole"
    toy.make(folder)
    return folder


@pytest.fixture(scope="module")
def summary(toy, folder, tmp_path_factory) -> Any:
    """A profile of it on ONNX Runtime, from the source on the command line to the JSON."""
    store = Store(tmp_path_factory.mktemp("store"))
    networks = resolve(Request(str(folder), store))
    settings = Settings(("onnxruntime",), threads=1, iterations=3, min_seconds=0.0, warmup=1)
    (record,) = measure_host(networks, count_networks(networks), settings, 0, store, quiet)
    return summarize(record, Budget(STEPS, GUIDANCE), [], [])


def test_it_is_found_by_what_its_folder_holds(toy, folder, demo):
    assert [family.name for family in families.families()] == ["stable-diffusion", "toy"]
    assert families.family_of(resolve_model(str(folder))) is toy.FAMILY
    assert families.family_of(demo) is not toy.FAMILY
    assert families.component_names()[-2:] == ("mixer", "painter")


def test_a_broken_folder_is_told_in_its_own_words(toy, tmp_path):
    from workbench.models.folder import inspect_folder

    toy.make(tmp_path / "model")
    (tmp_path / "model" / "painting" / "config.json").unlink()
    assert inspect_folder(tmp_path / "model") == [f"{tmp_path}/model/painting/config.json: missing"]


def test_its_components_are_counted(folder, tmp_path):
    networks = resolve(Request(str(folder), Store(tmp_path), needs="count"))
    counts = {component: count for (_, component), count in count_networks(networks).items()}
    assert {name: (count.params, count.macs) for name, count in counts.items()} == {
        "mixer": (3 * 3 * 9 + 3, 3 * 3 * 9 * 64),
        "painter": (3 * 3 + 3, 3 * 3 * 64),
    }
    assert [layer.layer for layer in counts["mixer"].layers if layer.macs] == ["conv"]
    (alone,) = resolve(Request(str(folder), Store(tmp_path), component=DENOISER, needs="count"))
    assert alone.component == "mixer" and list(alone.feed) == ["field", "moment"]


def test_its_profile_says_what_a_picture_is_made_of(summary):
    pipeline = summary["pipeline"]
    assert list(summary["components"]) == list(pipeline["parts_ms"]) == ["mixer", "painter"]
    assert pipeline["formula"] == "mixer × timesteps + painter"
    medians = {name: part["latency_ms"]["median"] for name, part in summary["components"].items()}
    assert pipeline["parts_ms"] == {"mixer": STEPS * medians["mixer"], "painter": medians["painter"]}


def test_the_report_reads_it(summary):
    assert passes_of(summary) == {"mixer": STEPS, "painter": 1} and denoiser_of(summary) == "mixer"
    assert told(summary) == "4 × Mixer + paint brush"
    run: Any = SimpleNamespace(
        candidates=[SimpleNamespace(name="whole")], profiles={("host", "whole"): summary}, targets=["host"]
    )
    shown = table(run)
    assert [(c.label, c.product) for c in shown.columns] == [
        ("Mixer", "timesteps × one call"),
        ("paint brush", "one call"),
    ]
    assert shown.runs == "the Mixer once per timestep, the paint brush once"
    (row,) = shown.rows
    assert row.parts[0].startswith("4 × ") and row.note == "" and row.total != "–"


def test_steps_that_know_a_unet_refuse_it(toy, folder):
    recipe = Recipe.model_validate({"version": 1, "name": "r", "model": str(folder), "steps": [{"distill": {}}]})
    assert recipe.steps[0].config == DistillConfig()
    assert denoiser_problems(recipe, folder)[1] == [
        (("steps", 0, "distill"), "works on a UNet2DConditionModel only, and this model's denoiser is a Mixer")
    ]
    asked = QuantizeConfig(components=["unet"])
    assert list(asked.check_model(folder)) == [("components.0", "found 'unet'; this model has mixer, painter")]
    candidate = pipeline_candidate("base", "key", folder)
    assert candidate.denoiser.name == "mixer" and candidate.guidance_width is None and candidate.scheme == "fp32"
