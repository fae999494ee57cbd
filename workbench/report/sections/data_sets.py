"""The section "Data sets": what came into each set, what every operation did to it, and what was trained on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.report.data import RunData
from workbench.report.format import MISSING, join, known, megabytes, number, percent, seconds, whole

SHOWN = 3
"""Dropped pictures named for each reason; dropped.jsonl of the set names all."""
_Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One operation as words; counts are of training rows but where ``how`` says every split."""

    name: str
    how: str
    came_in: str
    dropped: str
    altered: str
    left: str


@dataclass(frozen=True)
class Reason:
    """Dropped pictures of one reason: how many, and the first few with what is to be said of each."""

    why: str
    count: str
    names: tuple[str, ...]
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
    operations: tuple[Operation, ...]
    reasons: tuple[Reason, ...]


def gather(run: RunData) -> list[Set]:
    """All sets in the recipe's order; none for a run without data sets."""
    trained: dict[str, list[str]] = {}
    for entry, candidate in zip(run.recipe.steps, run.recipe.candidate_names()[1:], strict=True):
        if entry.config.data_set is not None:
            trained.setdefault(entry.config.data_set, []).append(candidate)
    order = [data_set.name for data_set in run.recipe.data_sets]
    names = sorted(run.data_sets, key=lambda name: order.index(name) if name in order else len(order))
    found = []
    for i, name in enumerate(names):
        later = [other for other in names[i + 1 :] if name in _made_of(run.data_sets[other])]
        used = [*trained.get(name, ()), *(f"set {other}" for other in later)]
        found.append(_set(name, run.data_sets[name], join(used) or MISSING))
    return found


def _made_of(manifest: _Facts) -> set[str]:
    return {entry["from"] for entry in manifest["came_in"]}


def _set(name: str, manifest: _Facts, used_by: str) -> Set:
    facts, dropped = manifest["facts"], manifest["dropped"]
    return Set(
        name=name,
        came_in=_came_in(manifest),
        dropped=_by_reason(dropped),
        total=whole(manifest["pictures"]["total"]),
        splits=_splits(manifest["pictures"]),
        short_side=_short_side(facts["short_side"]),
        captions=whole(facts["captions"]),
        size=megabytes(facts["bytes"]),
        took=seconds(manifest.get("seconds")),
        used_by=used_by,
        operations=tuple(_operation(entry) for entry in manifest["operations"]),
        reasons=tuple(_reason(why, named, dropped[why]) for why, named in manifest["dropped_named"].items()),
    )


def _came_in(manifest: _Facts) -> str:
    """``12 from raw (10 train, 2 held_out)``, and what was drawn."""
    parts = [
        f"{whole(entry['pictures']['total'])} from {_place(entry['from'])} ({_splits(entry['pictures'])})"
        for entry in manifest["came_in"]
        if entry["pictures"]["total"]
    ]
    drawn = [e for e in manifest["operations"] if e["operation"] == "synthesize"]
    parts += [f"{whole(entry['left'])} drawn by {entry['teacher']}" for entry in drawn]
    return join(parts) or "nothing"


def _place(path: str) -> str:
    """A set's name or a relative path as it is; of an absolute path, which is this machine's matter, the last part."""
    return Path(path).name if Path(path).is_absolute() else path


def _splits(pictures: Mapping[str, int]) -> str:
    return ", ".join(f"{whole(n)} {split}" for split, n in pictures.items() if split != "total" and n) or "none"


def _by_reason(dropped: Mapping[str, int]) -> str:
    """``4: 3 near-duplicate, 1 broken``."""
    if not dropped:
        return "none"
    return f"{whole(sum(dropped.values()))}: {', '.join(f'{whole(n)} {why}' for why, n in dropped.items())}"


def _short_side(side: Mapping[str, float]) -> str:
    if side["least"] == side["most"]:
        return f"{whole(side['least'])} px"
    return f"{whole(side['least'])} to {whole(side['most'])} px, median {side['median']:g}"


def _reason(why: str, named: list[str], count: int) -> Reason:
    more = count - min(len(named), SHOWN)
    return Reason(why, whole(count), tuple(named[:SHOWN]), f"and {whole(more)} more" if more else "")


def _operation(entry: _Facts) -> Operation:
    name = entry["operation"]
    tell = _HOW.get(name)
    return Operation(
        name=name,
        how=tell(entry["settings"], entry) if tell else json.dumps(entry["settings"], ensure_ascii=False),
        came_in=MISSING if name == "synthesize" else whole(entry["came_in"]),
        dropped=_by_reason(entry["dropped"]),
        altered=whole(entry["altered"]),
        left=whole(entry["left"]),
    )


def _read(settings: None, entry: _Facts) -> str:
    return "every picture decoded once; rows of every split"


def _join(settings: list[str], entry: _Facts) -> str:
    return f"all rows of {join(settings)}, no pair twice; rows of every split"


def _synthesize(settings: _Facts, entry: _Facts) -> str:
    """Who drew, how, and for which prompts."""
    steps, prompts = settings["steps"], entry["prompts"]
    how = f"{entry['teacher']} drew in {whole(steps)} step{'s' if steps > 1 else ''}, "
    how += f"guidance_scale {settings['guidance_scale']:g}, for {whole(entry['prompts_used'])} of {whole(prompts)} "
    how += f"different prompt{'s' if prompts > 1 else ''} {_prompts(settings['prompts'])}"
    held_out = entry["prompts_held_out"]
    return f"{how}; {whole(held_out)} held out, never drawn" if held_out else how


def _prompts(settings: str | _Facts) -> str:
    if isinstance(settings, str):
        return f"from {_place(settings)}"
    if settings.get("captions_of") is not None:
        return f"from the training captions of {settings['captions_of']}"
    return f"from {_quoted(settings['templates'])}"


def _quoted(templates: list[str]) -> str:
    """Templates in words: the first few, and how many more there are."""
    shown = [f"“{text}”" for text in templates[:SHOWN]]
    more = len(templates) - len(shown)
    return join([*shown, f"{whole(more)} more templates"] if more else shown)


def _deduplicate(settings: _Facts, entry: _Facts) -> str:
    return (
        f"near-duplicates go: at most {settings['distance']} of 64 bits of the perceptual hash and "
        f"{settings['colour']:g} levels of colour apart; the largest stays"
    )


def _min_side(settings: int, entry: _Facts) -> str:
    return f"short side of at least {whole(settings)} px"


def _crop(settings: str, entry: _Facts) -> str:
    """Which crop, how often each was taken, and what the scorer said of them."""
    taken = entry["taken"]
    counts = ", ".join(f"{place} {whole(n)}" for place, n in taken.items())
    if settings != "best_of_3":
        return f"to a square: {counts}"
    how = f"to the square that the scorer prefers of three; taken: {counts}"
    if not known(entry.get("score_taken")):
        return how
    return f"{how}; mean score {number(entry['score_centre'])} by the centre, {number(entry['score_taken'])} as taken"


def _captions(settings: _Facts, entry: _Facts) -> str:
    if settings.get("file") is not None:
        how = f"new captions from {_place(settings['file'])}"
        kept, idle = entry["kept_old_caption"], entry["lines_without_picture"]
        how += f"; old one kept: {whole(kept)}" if kept else ""
        return f"{how}; lines of the file without a picture here: {whole(idle)}" if idle else how
    template = settings["template"]
    if isinstance(template, str):
        return f"the old caption in {_quoted([template])}"
    return f"the old caption in one of {whole(len(template))} templates, by seed: {_quoted(template)}"


def _curate(settings: _Facts, entry: _Facts) -> str:
    if settings.get("keep") is not None:
        how = f"the best {percent(settings['keep'])} by the scorer"
    else:
        how = f"score of at least {settings['least']:g}"
    return f"{how}; mean score {number(entry['score_before'])} before, {number(entry['score_after'])} after"


_HOW: Mapping[str, Callable[[Any, _Facts], str]] = {
    "read": _read,
    "join": _join,
    "synthesize": _synthesize,
    "deduplicate": _deduplicate,
    "min_side": _min_side,
    "crop": _crop,
    "captions": _captions,
    "curate": _curate,
}
