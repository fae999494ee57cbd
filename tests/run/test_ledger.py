"""Forecast and truth of every stage stand side by side, and later forecasts learn from them."""

from __future__ import annotations

import time
from pathlib import Path

from workbench.forecast.before import done
from workbench.models.candidate import Candidate
from workbench.recipe.check_steps import denoiser_problems
from workbench.recipe.forecast import Forecast, forecast_of
from workbench.recipe.load import load_recipe
from workbench.run.ledger import Ledger
from workbench.store.store import Store

RECIPE = "version: 1\nname: x\nmodel: demo\nsteps: [remove_blocks: {layout: bk-tiny}]\n"


def forecast(folder: Path, base: Candidate, store: Store) -> Forecast:
    (folder / "r.yaml").write_text(RECIPE)
    recipe = load_recipe(folder / "r.yaml").recipe
    configs, _ = denoiser_problems(recipe, base.source)
    return forecast_of(recipe, base.source, configs, store, [base.key, "of bk_tiny"])


def test_the_ratio_of_truth_and_forecast_is_recorded(tmp_path: Path, base: Candidate, store: Store):
    ledger = Ledger(forecast(tmp_path, base, store), store)
    store.compute("of bk_tiny", lambda _out: time.sleep(0.2) or {})
    ledger.finished("remove_blocks", "bk_tiny", "of bk_tiny")
    (row,) = ledger.beside()
    assert (row["stage"], row["name"], row["source"]) == ("remove_blocks", "bk_tiny", "from MACs")
    assert row["ratio"] == row["took_s"] / row["forecast_s"] and row["took_s"] >= 0.2
    assert row["forecast_bytes"] > 0 and row["peak_bytes"] > 0


def test_a_second_run_shows_the_same_and_forecasts_from_it(tmp_path: Path, base: Candidate, store: Store):
    first = Ledger(forecast(tmp_path, base, store), store)
    store.compute("of bk_tiny", lambda _out: {})
    store.compute("drawn", lambda _out: {})
    store.compute("a metric", lambda _out: time.sleep(0.2) or {})
    first.finished("remove_blocks", "bk_tiny", "of bk_tiny")
    first.finished("evaluate", "base", "drawn", ["a metric"])
    ahead = forecast(tmp_path, base, store)
    sources = {(row.stage, row.name): row.source for row in ahead.rows}
    assert sources["remove_blocks", "bk_tiny"] == sources["evaluate", "base"] == "stored"
    assert sources["evaluate", "bk_tiny"] == "measured before" and sources["profile", "host"] == "from MACs"
    again = Ledger(ahead, store)
    again.finished("remove_blocks", "bk_tiny", "of bk_tiny")
    again.finished("evaluate", "base", "drawn", ["a metric"])
    assert again.beside() == first.beside()
    assert again.beside()[1]["took_s"] >= 0.2
    assert len(done(store, ahead.machine)) == 2


def test_an_export_is_its_owners_whoever_asks_for_it(tmp_path: Path, base: Candidate, store: Store):
    ledger = Ledger(forecast(tmp_path, base, store), store)
    child = Candidate("bk_tiny", "k", base.source, base.components)
    ledger.made(base)
    ledger.made(child)
    assert ledger.left(base, "unet") > ledger.left(base, "text_encoder") > 0 == ledger.left(child, "unet")
    store.compute("exported", lambda _out: {})
    ledger.exported(child, "unet", store.folder("exported") / "model.onnx")
    assert [row["name"] for row in ledger.beside()] == ["base/unet"]
    assert ledger.left(base, "unet") == 0, "it is there: it weighs nothing in the time that is left"


def test_what_a_step_exports_before_it_is_a_candidate_is_nobodys(tmp_path: Path, base: Candidate, store: Store):
    ledger = Ledger(forecast(tmp_path, base, store), store)
    ledger.made(base)
    store.compute("exported", lambda _out: {})
    ledger.exported(base.with_denoiser(tmp_path / "work"), "unet", store.folder("exported") / "model.onnx")
    assert ledger.beside() == []
