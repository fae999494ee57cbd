"""What a release says of itself: ``manifest.json`` and ``SHA256SUMS``, without a path of the machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from workbench import __version__
from workbench.errors import RunError
from workbench.release.agreement import Agreement
from workbench.release.figures import MANIFEST, SCHEMA, Figures, figures_of
from workbench.release.layouts.base import Layout, Order
from workbench.release.pictures import Pictures
from workbench.release.weights import Weights
from workbench.report.format import known
from workbench.report.ranking.constraints import Limits, check_limits
from workbench.run.history import Finished
from workbench.store.files import hash_file

CARD, SUMS = "MODEL_CARD.md", "SHA256SUMS"
_TEXTS = (".json", ".md", ".txt", ".py", "")
_NUMBERS = re.compile(r"\[\s+((?:-?[\d.e+-]+|null)(?:,\s+(?:-?[\d.e+-]+|null))*)\s+\]")


class Limit(TypedDict):
    """A constraint of the recipe: ``words``: how the candidate stands to it where it misses it."""

    key: str
    limit: float
    met: bool
    words: str


class Ancestor(TypedDict):
    """A candidate of the lineage and the step that made it; None: the untouched model."""

    candidate: str
    step: str | None
    scheme: str
    key: str


class File(TypedDict):
    """A file of the release."""

    sha256: str
    size_bytes: int


class Manifest(TypedDict):
    """``agreement``: how the client draws; None where it wasn't there to draw, ``not_drawn`` says so.

    ``example``: Python lines that load ``FOLDER`` and draw. ``files``: all but the manifest itself, the card, which is
    made from it, and the sums.
    """

    schema: int
    name: str
    workbench: str
    layout: str
    pipeline: str
    chosen: bool
    reason: str
    recipe: Mapping[str, Any]
    seed: int
    lineage: Sequence[Ancestor]
    weights: Weights
    constraints: Sequence[Limit]
    example: str
    figures: Figures
    environment: Mapping[str, Any]
    notes: Sequence[str]
    pictures: Pictures
    agreement: Agreement | None
    not_drawn: str
    files: Mapping[str, File]


def manifest_of(
    run: Finished,
    order: Order,
    layout: Layout,
    written: tuple[Weights, Pictures, Sequence[str]],
    places: Sequence[Path],
) -> Manifest:
    """All that is known before a client has drawn.

    Args:
        written: weights, pictures, and the layout's notes.
        places: of this machine, which are told by their last names.
    """
    data, recipe, candidate = run.data, run.data.recipe, order.candidate
    weights, pictures, notes = written
    settings, (height, width) = recipe.settings(), pictures["size"]
    told = {value for value in _strings(settings) if Path(value).is_absolute()} | {str(place) for place in places}
    stated = {"name": recipe.name, "text": data.recipe_text, "settings": settings}
    return {
        "schema": SCHEMA,
        "name": f"{recipe.name}/{candidate.name}",
        "workbench": __version__,
        "layout": layout.name,
        "pipeline": order.pipeline,
        "example": layout.example(order).format(
            steps=pictures["steps"], guidance=pictures["guidance_scale"], height=height, width=width
        ),
        "chosen": run.choice.chosen == candidate.name,
        "reason": str(_row(run, candidate.name)["reason"]),
        "recipe": _without(sorted(told, key=len, reverse=True), stated),
        "seed": recipe.seed,
        "lineage": _lineage(run, candidate.name),
        "weights": weights,
        "constraints": _limits(run, candidate.name),
        "figures": figures_of(data, candidate.name),
        "environment": data.environment,
        "notes": list(notes),
        "pictures": pictures,
        "agreement": None,
        "not_drawn": "",
        "files": {},
    }


def files_of(folder: Path) -> dict[str, File]:
    """All files in a release but those that are written last, by their path in it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {
        name: {"sha256": hash_file(file), "size_bytes": file.stat().st_size}
        for name, file in names.items()
        if name not in (MANIFEST, CARD, SUMS)
    }


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes ``manifest.json``: lists of numbers take one line."""
    text = json.dumps(manifest, indent=1)
    lines = _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
    (folder / MANIFEST).write_text(lines + "\n", encoding="utf-8")


def write_sums(folder: Path) -> None:
    """Writes ``SHA256SUMS`` of all files, as ``sha256sum --check`` reads it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != SUMS)
    lines = [f"{hash_file(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check_tells_no_place(folder: Path, places: Sequence[Path]) -> None:
    """Looks through all texts of a release for paths of this machine.

    Raises:
        RunError: one of them is told.
    """
    told = [str(place) for place in places]
    for file in sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix in _TEXTS):
        text = file.read_text(encoding="utf-8", errors="replace")
        if found := next((place for place in told if place in text), None):
            raise RunError(f"{file.relative_to(folder)}: tells a path of this machine, {found}: not shipped")


def _row(run: Finished, name: str) -> dict[str, Any]:
    """The candidate's row of the ranking: where it was chosen, else where the choice was made, else where it ran."""
    rows = [row for row in run.ranking.table.to_dict("records") if row["candidate"] == name]
    return min(
        rows, key=lambda row: (not row["chosen"], not known(row["latency_ms"]), row["target"] != run.choice.target)
    )


def _lineage(run: Finished, name: str) -> list[Ancestor]:
    """From the untouched model to the candidate."""
    by_name = {candidate.name: candidate for candidate in run.candidates}
    lineage: list[Ancestor] = []
    found = by_name.get(name)
    while found is not None:
        step = found.lineage[-1] if found.lineage else None
        lineage.append({"candidate": found.name, "step": step, "scheme": found.scheme, "key": found.key})
        found = by_name.get(found.parent or "")
    return lineage[::-1]


def _limits(run: Finished, name: str) -> list[Limit]:
    """The recipe's constraints for the candidate."""
    rows = run.ranking.table.to_dict("records")
    limits = Limits.of(run.data.recipe.rank.constraints, run.data.recipe.metrics)
    checks = check_limits(
        _row(run, name), rows[0], limits, {(each["candidate"], each["target"]): each for each in rows}
    )
    return [
        {
            "key": check.key,
            "limit": limits.values[check.key],
            "met": check.met,
            "words": "" if check.met else check.words,
        }
        for check in checks
    ]


def _strings(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in _strings(one)]
    return [value] if isinstance(value, str) else []


def _without(places: Sequence[str], value: Any) -> Any:
    """A value with these paths by their last names."""
    if isinstance(value, Mapping):
        return {key: _without(places, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without(places, one) for one in value]
    for place in places:
        if isinstance(value, str):
            value = value.replace(place, Path(place).name)
    return value
