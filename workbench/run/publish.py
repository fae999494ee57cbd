"""Profiles and the report: from the store to profiles/ and reports/."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.models.candidate import Candidate
from workbench.progress import Progress
from workbench.recipe.load import Loaded
from workbench.recipe.schema import Recipe
from workbench.store.environment import environment, fingerprint
from workbench.store.files import hash_file, write_atomic
from workbench.store.store import Store, code_hash, key_of, library_versions, room

PROFILE_LIBRARIES = ("onnx", "onnxruntime", "pandas", "torch", "diffusers")


def profile_all(
    recipe: Recipe, chain: list[Candidate], files: Mapping[str, Mapping[str, Path]], store: Store, progress: Progress
) -> Path:
    """The stored folder of all profiles of this chain, measured together since they are compared."""
    key = key_of(
        {
            "stage": "profile",
            "code": code_hash(room("workbench.profile")),
            "libraries": library_versions(PROFILE_LIBRARIES),
            "config": recipe.profile.model_dump(mode="json"),
            "steps": recipe.evaluate.steps,
            "guidance_scale": recipe.evaluate.guidance_scale,
            "candidates": [[c.name, c.key] for c in chain],
            "host": fingerprint(),
            "seed": recipe.seed,
        }
    )

    def work(out: Path) -> dict[str, Any]:
        from workbench.profile.host import profile_host

        start = time.monotonic()
        config = recipe.evaluate
        by_target = profile_host(
            chain, files, recipe.profile, config.steps, config.guidance_scale, recipe.seed, out, progress
        )
        return {"targets": {t: list(found) for t, found in by_target.items()}, "seconds": time.monotonic() - start}

    store.compute(key, work)
    return store.folder(key)


def publish(
    loaded: Loaded,
    chain: list[Candidate],
    scores: Mapping[str, Mapping[str, Any]],
    pictures: Mapping[str, Path],
    profiles: Path,
    store: Store,
    out: Path,
) -> Path:
    """Writes profiles/NAME/ and reports/NAME.{html,csv} under ``out`` and returns the page's path."""
    recipe = loaded.recipe
    targets = json.loads((profiles / "result.json").read_text())["targets"]
    names = [f"{candidate}@{target}" for target, found in targets.items() for candidate in found]
    shown = out / "profiles" / recipe.name
    shown.mkdir(parents=True, exist_ok=True)
    for name in names:
        for suffix in ("csv", "json"):
            _copy(profiles / f"{name}.{suffix}", shown / f"{name}.{suffix}")

    key = key_of(
        {
            "stage": "report",
            "code": code_hash(room("workbench.report")),
            "libraries": library_versions(("matplotlib", "jinja2", "pandas")),
            "recipe": loaded.text,
            "settings": recipe.model_dump(mode="json"),
            "candidates": [[c.name, c.key] for c in chain],
            "scores": {name: str(folder.name) for name, folder in pictures.items()},
            "profiles": profiles.name,
        }
    )

    def work(folder: Path) -> dict[str, Any]:
        from workbench.report.html import write_report

        write_report(_data(loaded, chain, scores, pictures, profiles, targets, store), folder)
        return {"html": f"reports/{recipe.name}.html"}

    store.compute(key, work)
    for suffix in ("html", "csv"):
        source = next(store.folder(key).rglob(f"{recipe.name}.{suffix}"))
        _copy(source, out / "reports" / f"{recipe.name}.{suffix}")
    return out / "reports" / f"{recipe.name}.html"


def _data(
    loaded: Loaded,
    chain: list[Candidate],
    scores: Mapping[str, Mapping[str, Any]],
    pictures: Mapping[str, Path],
    profiles: Path,
    targets: Mapping[str, list[str]],
    store: Store,
) -> Any:
    from workbench.report.data import CandidateData, RunData

    pairs = [(target, name) for target, found in targets.items() for name in found]
    summaries = {(t, n): json.loads((profiles / f"{n}@{t}.json").read_text()) for t, n in pairs}
    made = {c.name: store.get(c.key) or {} for c in chain}
    timings = {name: result["seconds"] for name, result in made.items() if "seconds" in result}
    timings |= {f"evaluate {name}": s["seconds"] for name, s in scores.items()}
    timings["profile"] = json.loads((profiles / "result.json").read_text())["seconds"]
    losses = {}
    for candidate in chain:
        log = store.folder(candidate.key) / "loss.jsonl"
        if log.is_file():
            losses[candidate.name] = [json.loads(line) for line in log.read_text().splitlines()]
    return RunData(
        recipe=loaded.recipe,
        recipe_text=loaded.text,
        candidates=[CandidateData(c.name, c.scheme, c.lineage, c.report, c.key) for c in chain],
        scores=scores,
        pictures=pictures,
        profiles=summaries,
        layers={pair: profiles / f"{pair[1]}@{pair[0]}.csv" for pair in pairs},
        warnings=list(dict.fromkeys(w for s in summaries.values() for w in s.get("warnings", []))),
        environment=environment(),
        timings=timings,
        losses=losses,
        recipe_hash=key_of({"recipe": loaded.recipe.model_dump(mode="json")}),
    )


def _copy(source: Path, target: Path) -> None:
    """Copies under a temporary name and renames; leaves an equal file alone."""
    if target.is_file() and hash_file(target) == hash_file(source):
        return
    write_atomic(target, source.read_bytes())
