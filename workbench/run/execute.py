"""``workbench run``: one recipe from start to end."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from workbench.data.captioned import data_key
from workbench.limits import at_most
from workbench.metrics.registry import qualities
from workbench.metrics.scores import Scores
from workbench.models.candidate import Candidate
from workbench.models.record import finish, write_record
from workbench.models.sources import base_candidate
from workbench.models.weights import check_finite, weight_files
from workbench.progress import Progress, quiet
from workbench.recipe.check import check_recipe
from workbench.recipe.check_steps import denoiser_problems
from workbench.recipe.forecast import Forecast, forecast_of
from workbench.recipe.load import Loaded, load_recipe
from workbench.recipe.plan import PlannedStep, plan_steps
from workbench.recipe.plan_sets import scorer_key
from workbench.recipe.schema import Recipe
from workbench.run import chain, scores
from workbench.run.data_sets import manifests
from workbench.run.ledger import HUNDRED, Beside, Ledger
from workbench.run.profiles import prepare_devices, profile_all
from workbench.run.publish import Results, publish
from workbench.run.session import Session
from workbench.store.depends import depends_on
from workbench.store.follower import Follower
from workbench.store.store import Store, key_of
from workbench.store.taken import highest
from workbench.system import peaks
from workbench.terminal import table


@dataclass(frozen=True)
class Outcome:
    """What a run left behind: the report's path, the rows of its CSV, how long it took and its peak memory."""

    report: Path
    rows: list[dict[str, str]]
    seconds: float
    peak_rss_bytes: int
    warnings: list[str]
    quality: str | None
    """The metric that is ranked by, or else the first that was measured."""
    stages: list[Beside] = field(default_factory=list)
    """Forecast and truth side by side."""

    @property
    def chosen(self) -> dict[str, str] | None:
        """The row of the chosen candidate, or None where nothing fits."""
        return next((row for row in self.rows if row["chosen"] == "True"), None)


def execute(recipe: Path, overrides: list[str], store: Store, out: Path, progress: Progress) -> Outcome:
    """Checks the recipe whole, then makes or finds every result, and writes profiles/ and reports/ under ``out``.

    Raises:
        InputError: the recipe can't be run as it is; nothing was started.
        RunError: the work failed; finished steps are kept and the same call goes on from there.
    """
    start = time.monotonic()
    loaded = load_recipe(recipe, overrides)
    with progress("check", 1):
        report = check_recipe(loaded, store, out)
    print("\n".join([f"{recipe}: what is left to do", *report.ahead()]), file=sys.stderr, flush=True)
    with store.lock(), at_most(loaded.recipe.max_memory_bytes), store.noted() as needs:
        page, beside = _run(loaded, store, out, progress, needs)
    with page.with_suffix(".csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    asked = loaded.recipe.rank.maximize
    names = ([asked] if asked else []) + qualities(loaded.recipe.metrics)
    quality = next((name for name in names if any(row.get(name) for row in rows)), None)
    peak = max(highest(), *peaks())
    return Outcome(page, rows, time.monotonic() - start, peak, list(report.warnings), quality, beside)


def _run(
    loaded: Loaded, store: Store, out: Path, progress: Progress, needs: Collection[str]
) -> tuple[Path, list[Beside]]:
    """``needs``: the keys of all results that were read or made so far."""
    recipe = loaded.recipe
    with progress(recipe.name, HUNDRED) as tick:
        base, plan = _planned(loaded, store, progress)
        tick(0)
        ledger = Ledger(_forecast(recipe, base, plan, store), store, tick)
        session = Session(recipe, store, progress, ledger)
        prepare_devices(session)
        _check_finite(base, store)
        made = chain.build(base, plan, session)
        write_record(store, recipe.name, made)
        candidates = chain.at_steps(made, recipe.evaluate.few_steps)
        files = scores.exports(candidates, session)
        scored, pictures = _scored(candidates, files, session) if recipe.evaluate.pictures else ({}, {})
        profiles = profile_all(session, candidates, files)
        beside = ledger.beside()
        results = Results(candidates, files, scored, pictures, profiles, manifests(plan, store), beside)
        with progress("report", 1):
            report = publish(loaded, results, store, out)
            finish(store, recipe.name, made, report.key, report.chosen, needs)
        return report.page, beside


def _scored(
    candidates: list[Candidate], files: Mapping[str, Mapping[str, Path]], session: Session
) -> tuple[dict[str, Scores], dict[str, Path]]:
    """Scores of all candidates, and the folders of their pictures."""
    recipe = session.recipe
    evaluation = scores.evaluation_set(recipe, candidates[0].source)
    keys = scores.drawing_keys(candidates, files, evaluation)
    scored = scores.score_all(candidates, keys, files, evaluation, recipe.metrics, session)
    return scored, {c.name: session.store.folder(key) for c, key in zip(candidates, keys, strict=True)}


def _forecast(recipe: Recipe, base: Candidate, plan: Sequence[PlannedStep], store: Store) -> Forecast:
    """What the run will take, with the keys of its candidates: what of it is there already is known then."""
    configs, _ = denoiser_problems(recipe, base.source)
    return forecast_of(recipe, base.source, configs, store, [base.key, *(planned.key for planned in plan)])


def _check_finite(base: Candidate, store: Store) -> None:
    """Looks at every weight of the untouched model, once for each model: work on nan would be lost."""

    def work(_out: Path) -> dict[str, Any]:
        for part in base.family.parts:
            for file in weight_files(base.components[part.name].path, part.stem):
                check_finite(file)
        return {"finite": True}

    store.compute(key_of({"finite": base.key, **depends_on("workbench.models.weights")}), work)


def follow(recipe: Path, overrides: list[str], store: Path | None) -> None:
    """Trains along with the process that runs ``execute`` on the same recipe and store, and ends when all is trained.

    Raises:
        InputError, RunError: as ``execute``.
    """
    loaded = load_recipe(recipe, overrides)
    base, plan = _planned(loaded, Follower(store))
    last = max((i for i, planned in enumerate(plan) if planned.config.trains), default=-1)
    chain.build(base, plan[: last + 1], Session(loaded.recipe, Follower(store)))


def candidates_of(loaded: Loaded, store: Store, progress: Progress, last: str | None = None) -> list[Candidate]:
    """The chain of a recipe, up to the candidate ``last`` or whole, computing what the store lacks."""
    base, plan = _planned(loaded, store, progress)
    if last is not None:
        plan = plan[: loaded.recipe.candidate_names().index(last)]
    return chain.build(base, plan, Session(loaded.recipe, store, progress))


def _planned(loaded: Loaded, store: Store, progress: Progress = quiet) -> tuple[Candidate, list[PlannedStep]]:
    """The untouched model and the steps after it."""
    recipe = loaded.recipe
    base = base_candidate(recipe.model, store, progress)
    keys = partial(data_key, source=base.source, store=store)
    return base, plan_steps(recipe, base.key, keys(recipe.data), keys, scorer_key(base.source, store))


def show(outcome: Outcome, as_json: bool) -> None:
    """Prints the outcome: a table and the choice, or JSON."""
    if as_json:
        facts = {
            "report": str(outcome.report),
            "chosen": outcome.chosen,
            "quality": outcome.quality,
            "candidates": outcome.rows,
            "seconds": outcome.seconds,
            "peak_rss_bytes": outcome.peak_rss_bytes,
            "warnings": outcome.warnings,
            "stages": outcome.stages,
        }
        print(json.dumps(facts, indent=1))
        return
    quality = [outcome.quality] if outcome.quality else []
    columns = ("candidate", "target", "scheme", "latency_ms", "gain", "size_bytes", *quality, "pareto", "chosen")
    rows = ([_cell(name, row.get(name, ""), name in quality) for name in columns] for row in outcome.rows)
    table(columns, rows, left=("candidate", "target", "scheme", "gain"))
    for warning in outcome.warnings:
        print(f"warning: {warning}")
    chosen = outcome.chosen
    print(f"ship {chosen['candidate']}: {chosen['reason']}" if chosen else "no candidate fits")
    print(f"report: {outcome.report}  ({outcome.seconds:.1f} s, peak memory {outcome.peak_rss_bytes / 1e9:.2f} GB)")


def _cell(name: str, value: str, is_quality: bool) -> str:
    if not value:
        return "–"
    if is_quality:
        return f"{float(value):.3f}"
    if name == "size_bytes":
        return f"{float(value) / 1e6:.1f} MB"
    if name == "latency_ms":
        return f"{float(value):.1f}"
    return {"True": "yes", "False": ""}.get(value, value)
