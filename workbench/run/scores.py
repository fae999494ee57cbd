"""Scores and profiles of a chain's candidates, from the store or measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workbench.data.captioned import REAL_PICTURES, captions
from workbench.data.lines import numbered
from workbench.data.operation import HELD_OUT, TRAIN
from workbench.evaluate.prompts import EvaluationSet, choose_prompts
from workbench.metrics.base import Metric, Need
from workbench.metrics.paired import comparisons
from workbench.metrics.scores import SCHEMA, Comparison, Drawing, Scores, StoredValue
from workbench.models.candidate import Candidate
from workbench.recipe.plan_sets import scorer_key
from workbench.recipe.schema import Recipe
from workbench.run.chain import exported
from workbench.run.session import Session
from workbench.runtimes.base import opened_by
from workbench.store.depends import PACKAGE, depends_on
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    from workbench.metrics.drawn import Drawn

LEAST_S = 0.01
"""What an export that is there already weighs in the time that is left."""


def exports(chain: list[Candidate], session: Session) -> dict[str, dict[str, Path]]:
    """The ONNX file of every component of every candidate, by candidate name."""
    files: dict[str, dict[str, Path]] = {candidate.name: {} for candidate in chain}
    every = [(candidate, component) for candidate in chain for component in candidate.components]
    ledger = session.ledger
    costs = [LEAST_S + (ledger.left(c, component) if ledger else 0.0) for c, component in every]
    with session.progress("export to ONNX", len(every), costs) as tick:
        for done, (candidate, component) in enumerate(every, 1):
            files[candidate.name][component] = exported(candidate, component, session)
            tick(done)
    return files


def evaluation_set(recipe: Recipe, source: Path) -> EvaluationSet:
    """The prompts that all candidates draw, and the captions to tell them apart from."""
    config, seed = recipe.evaluate, recipe.seed
    if config.prompts:
        known = [line.strip() for _, line in numbered(Path(config.prompts))]
        return EvaluationSet(choose_prompts(known, config.pictures, seed), known, config, seed)
    seen, unseen = (captions(recipe.data, source, split) for split in (TRAIN, HELD_OUT))
    prompts = choose_prompts(unseen or seen, config.pictures, seed)
    apart = choose_prompts(seen, config.trained_pictures, seed) if seen and unseen else []
    return EvaluationSet(prompts, [*seen, *unseen], config, seed, apart)


def drawing_keys(
    chain: list[Candidate], files: Mapping[str, Mapping[str, Path]], evaluation: EvaluationSet
) -> list[str]:
    """The key of what each candidate draws; every one covers the reference, the first candidate."""
    opened = {c.name: {opened_by(path) for part in (chain[0], c) for path in files[part.name].values()} for c in chain}
    shared = {
        "stage": "draw",
        "config": evaluation.config.model_dump(mode="json", exclude={"steps", "few_steps", "metrics", "shown"}),
        "prompts": evaluation.drawn,
        "seed": evaluation.seed,
        "reference": [chain[0].key, evaluation.steps_of(chain[0])],
    }
    return [
        key_of(
            {
                **shared,
                **depends_on("workbench.evaluate.evaluate", "workbench.export.stored", *sorted(opened[c.name])),
                "candidate": c.key,
                "steps": evaluation.steps_of(c),
            }
        )
        for c in chain
    ]


def score_all(
    chain: list[Candidate],
    keys: list[str],
    files: Mapping[str, Mapping[str, Path]],
    evaluation: EvaluationSet,
    metrics: Mapping[str, Metric],
    session: Session,
) -> dict[str, Scores]:
    """Scores of all candidates, by name, in ``metrics``. What is drawn, and each value, is a result of its own."""
    scores: dict[str, Scores] = {}
    store, progress = session.store, session.progress
    source, value_key = chain[0].source, partial(_value_key, chain[0].source, store, evaluation)
    first = cache(partial(_read, store.folder(keys[0]), evaluation, source, lambda: None))
    for candidate, key in zip(chain, keys, strict=True):
        reference = None if candidate is chain[0] else store.folder(keys[0])
        draw = partial(_draw, candidate, files[candidate.name], evaluation, reference, progress)
        with progress(f"evaluate {candidate.name}", 1):
            drawing = cast(Drawing, store.compute(key, draw))
            drawn = first if reference is None else cache(partial(_read, store.folder(key), evaluation, source, first))
            value_keys = {name: value_key(metric, [key, keys[0]]) for name, metric in metrics.items()}
            values = {
                name: cast(StoredValue, store.compute(value_keys[name], partial(_measure, metric, drawn)))
                for name, metric in metrics.items()
            }
        if session.ledger:
            session.ledger.finished("evaluate", candidate.name, key, list(value_keys.values()))
        scores[candidate.name] = {
            **drawing,
            "schema": SCHEMA,
            "metrics": {name: stored["value"] for name, stored in values.items() if stored["value"]},
            "seconds": drawing["seconds"] + sum(stored["seconds"] for stored in values.values()),
            "paired": [],
        }
    return {c.name: {**scores[c.name], "paired": _paired(c, chain, scores, evaluation)} for c in chain}


def _value_key(source: Path, store: Store, evaluation: EvaluationSet, metric: Metric, drawn: list[str]) -> str:
    real = source / REAL_PICTURES
    brought = {
        Need.SCORER: scorer_key(source, store),
        Need.REAL: store.folder_hash(real.parent, [real]) if real.is_file() else None,
    }
    return key_of(
        {
            "metric": metric.name,
            **depends_on(*_code(metric), "workbench.evaluate.evaluate"),
            "about": [metric.about, _contents(metric.files, store)],
            "drawn": drawn,
            "captions": list(evaluation.captions),
            "judged": len(evaluation.prompts),
            "brought": [brought.get(need) for need in Need if need in metric.needs],
        }
    )


def _draw(*about: Any) -> Drawing:
    from workbench.evaluate.evaluate import draw_all

    return draw_all(*about)


def _read(folder: Path, evaluation: EvaluationSet, source: Path, reference: Callable[[], Drawn | None]) -> Drawn:
    from workbench.evaluate.evaluate import read_drawn

    return read_drawn(folder, evaluation, source, reference())


def _contents(files: Sequence[Path], store: Store) -> list[str]:
    """A hash for each folder that some of the files lie in; where it lies doesn't matter."""
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    return [store.folder_hash(folder, those) for folder, those in folders.items()]


def _code(metric: Metric) -> list[Callable[..., Any]]:
    """The function that makes the value, where it is ours: of a package's, ``about`` says the version."""
    function = getattr(metric.compute, "func", metric.compute)
    return [function] if function.__module__.partition(".")[0] == PACKAGE else []


def _measure(metric: Metric, drawn: Callable[[], Drawn], _out: Path) -> StoredValue:
    start = time.monotonic()
    return {"value": metric.measure(drawn()), "seconds": time.monotonic() - start}


def _paired(
    candidate: Candidate, chain: list[Candidate], scores: Mapping[str, Scores], evaluation: EvaluationSet
) -> list[Comparison]:
    """Against what the candidate was made from, who taught it, and where training was to help, the same without it."""
    own, compared = scores[candidate.name], list[Comparison]()
    if candidate.parent is not None:
        compared += comparisons(own, scores[candidate.parent], candidate.parent, "what it was made from")
    teacher = next((c for c in chain if c.name == candidate.teacher), None)
    if teacher is not None and teacher.name != candidate.parent:
        at = f", at {evaluation.steps_of(teacher)} steps" if candidate.steps else ""
        compared += comparisons(own, scores[teacher.name], teacher.name, f"its teacher{at}")
    if candidate.report.get("method") == "qat":
        for other in chain:
            same = (other.parent, other.scheme) == (candidate.parent, candidate.scheme)
            if same and other.report.get("method") == "ptq":
                compared += comparisons(own, scores[other.name], other.name, "the same scheme after training")
    return compared
