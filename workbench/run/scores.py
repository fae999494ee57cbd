"""Scores and profiles of a chain's candidates, from the store or measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from workbench.data.captioned import captions
from workbench.data.lines import numbered
from workbench.errors import InputError
from workbench.evaluate.prompts import EvaluationSet, choose_prompts
from workbench.metrics.paired import comparisons
from workbench.metrics.scores import Comparison, Scores
from workbench.models.candidate import Candidate
from workbench.progress import Progress
from workbench.recipe.schema import Recipe
from workbench.runtimes.base import opened_by
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of


def exports(chain: list[Candidate], store: Store, progress: Progress) -> dict[str, dict[str, Path]]:
    """The ONNX file of every component of every candidate, by candidate name."""
    from workbench.export.store import stored_export

    files: dict[str, dict[str, Path]] = {}
    with progress("export to ONNX", sum(len(c.components) for c in chain)) as tick:
        for candidate in chain:
            files[candidate.name] = {}
            for component in candidate.components:
                files[candidate.name][component] = stored_export(candidate, component, store)
                tick(sum(len(f) for f in files.values()))
    return files


def evaluation_set(recipe: Recipe, source: Path) -> EvaluationSet:
    """The prompts and distractors that all candidates are asked."""
    if recipe.evaluate.prompts:
        prompts = [line.strip() for _, line in numbered(Path(recipe.evaluate.prompts))]
        known = prompts
    else:
        known = captions(recipe.data, source, "train") + captions(recipe.data, source, "held_out")
        prompts = known
    if not prompts:
        raise InputError("evaluate.prompts: no prompts there")
    return EvaluationSet(choose_prompts(prompts, recipe.evaluate, recipe.seed), known, recipe.evaluate, recipe.seed)


def score_keys(chain: list[Candidate], files: Mapping[str, Mapping[str, Path]], evaluation: EvaluationSet) -> list[str]:
    """The key of each candidate's scores; every one covers the reference's, the first candidate's."""
    opened = {c.name: {opened_by(path) for part in (chain[0], c) for path in files[part.name].values()} for c in chain}
    shared = {
        "stage": "evaluate",
        "config": evaluation.config.model_dump(mode="json", exclude={"steps", "few_steps"}),
        "prompts": list(evaluation.prompts),
        "distractors": list(evaluation.distractors),
        "seed": evaluation.seed,
        "reference": [chain[0].key, steps_of(chain[0], evaluation)],
    }
    return [
        key_of({**shared, **_code(opened[c.name]), "candidate": c.key, "steps": steps_of(c, evaluation)}) for c in chain
    ]


def _code(opened: set[str]) -> dict[str, Any]:
    return depends_on("workbench.evaluate.evaluate", "workbench.metrics", "workbench.export.store", *sorted(opened))


def steps_of(candidate: Candidate, evaluation: EvaluationSet) -> int:
    """Denoising steps of its pictures."""
    return candidate.steps or evaluation.config.steps


def score_all(
    chain: list[Candidate],
    keys: list[str],
    files: Mapping[str, Mapping[str, Path]],
    evaluation: EvaluationSet,
    store: Store,
    progress: Progress,
) -> dict[str, Scores]:
    """Scores of all candidates by name; ``seconds`` among them."""
    scores: dict[str, Scores] = {}
    for candidate, key in zip(chain, keys, strict=True):
        reference = None if candidate is chain[0] else store.folder(keys[0])

        def work(out: Path, candidate: Candidate = candidate, reference: Path | None = reference) -> Scores:
            from workbench.evaluate.evaluate import evaluate

            own = files[candidate.name]
            steps = steps_of(candidate, evaluation)
            return evaluate(candidate.name, own, candidate.source, evaluation, steps, reference, out, progress)

        scores[candidate.name] = cast(Scores, store.compute(key, work))
    return {c.name: {**scores[c.name], "paired": _paired(c, chain, scores, evaluation)} for c in chain}


def _paired(
    candidate: Candidate, chain: list[Candidate], scores: Mapping[str, Scores], evaluation: EvaluationSet
) -> list[Comparison]:
    """Against what the candidate was made from, who taught it, and where training was to help, the same without it."""
    own, compared = scores[candidate.name], list[Comparison]()
    if candidate.parent is not None:
        compared += comparisons(own, scores[candidate.parent], candidate.parent, "what it was made from")
    teacher = next((c for c in chain if c.name == candidate.teacher), None)
    if teacher is not None and teacher.name != candidate.parent:
        at = f", at {steps_of(teacher, evaluation)} steps" if candidate.steps else ""
        compared += comparisons(own, scores[teacher.name], teacher.name, f"its teacher{at}")
    if candidate.report.get("method") == "qat":
        for other in chain:
            same = (other.parent, other.scheme) == (candidate.parent, candidate.scheme)
            if same and other.report.get("method") == "ptq":
                compared += comparisons(own, scores[other.name], other.name, "the same scheme after training")
    return compared
