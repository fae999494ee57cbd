"""What came into each set, what every operation did to it, and what was trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.report.data import RunData
from workbench.report.format import MISSING, join, megabytes, seconds, whole
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.data_sets.operations import SHOWN, Facts, Operation, by_reason, operation, place
from workbench.report.sections.registry import Section


@dataclass(frozen=True)
class Reason:
    """Dropped pictures of one reason: how many, and the first few with what is to be said of each."""

    why: str
    count: str
    names: Sequence[str]
    more: str


@dataclass(frozen=True)
class Set:
    """One data set as words. ``used_by``: candidates that were trained on it, and later sets made of it."""

    name: str
    came_in: str
    dropped: str
    total: str
    splits: str
    short_side: str
    captions: str
    size: str
    took: str
    used_by: str
    operations: Sequence[Operation]
    reasons: Sequence[Reason]


def gather(run: RunData, ranking: Ranking) -> list[Set] | None:
    """All sets in the recipe's order; None for a run without data sets."""
    trained: dict[str, list[str]] = {}
    for entry, candidate in zip(run.recipe.steps, run.recipe.candidate_names()[1:], strict=True):
        if entry.config.data_set is not None:
            trained.setdefault(entry.config.data_set, []).append(candidate)
    order = [data_set.name for data_set in run.recipe.data_sets]
    names = sorted(run.data_sets, key=lambda name: order.index(name) if name in order else len(order))
    sets = []
    for i, name in enumerate(names):
        later = [other for other in names[i + 1 :] if name in _made_of(run.data_sets[other])]
        used = [*trained.get(name, ()), *(f"set {other}" for other in later)]
        sets.append(_set(name, run.data_sets[name], join(used) or MISSING))
    return sets or None


def _made_of(manifest: Facts) -> set[str]:
    return {entry["from"] for entry in manifest["came_in"]}


def _set(name: str, manifest: Facts, used_by: str) -> Set:
    facts, dropped = manifest["facts"], manifest["dropped"]
    return Set(
        name=name,
        came_in=_came_in(manifest),
        dropped=by_reason(dropped),
        total=whole(manifest["pictures"]["total"]),
        splits=_splits(manifest["pictures"]),
        short_side=_short_side(facts["short_side"]),
        captions=whole(facts["captions"]),
        size=megabytes(facts["bytes"]),
        took=seconds(manifest.get("seconds")),
        used_by=used_by,
        operations=tuple(operation(entry) for entry in manifest["operations"]),
        reasons=tuple(_reason(why, named, dropped[why]) for why, named in manifest["dropped_named"].items()),
    )


def _came_in(manifest: Facts) -> str:
    """``12 from raw (10 train, 2 held_out)``, and what was drawn."""
    parts = [
        f"{whole(entry['pictures']['total'])} from {place(entry['from'])} ({_splits(entry['pictures'])})"
        for entry in manifest["came_in"]
        if entry["pictures"]["total"]
    ]
    drawn = [e for e in manifest["operations"] if e["operation"] == "synthesize"]
    parts += [f"{whole(entry['left'])} drawn by {entry['teacher']}" for entry in drawn]
    return join(parts) or "nothing"


def _splits(pictures: Mapping[str, int]) -> str:
    return ", ".join(f"{whole(n)} {split}" for split, n in pictures.items() if split != "total" and n) or "none"


def _short_side(side: Mapping[str, float]) -> str:
    if side["least"] == side["most"]:
        return f"{whole(side['least'])} px"
    return f"{whole(side['least'])} to {whole(side['most'])} px, median {side['median']:g}"


def _reason(why: str, named: list[str], count: int) -> Reason:
    more = count - min(len(named), SHOWN)
    return Reason(why, whole(count), tuple(named[:SHOWN]), f"and {whole(more)} more" if more else "")


SECTION = Section(__name__, "Data sets", 130, gather)
