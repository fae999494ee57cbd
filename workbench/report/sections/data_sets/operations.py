"""What every operation on a data set did, in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.report.format import MISSING, join, known, number, percent, whole

SHOWN = 3
"""Templates named one by one; of dropped pictures, those of each reason: dropped.jsonl of the set names all."""
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """One operation as words; counts are of training rows but where ``how`` says every split."""

    name: str
    how: str
    came_in: str
    dropped: str
    altered: str
    left: str


def operation(entry: Facts) -> Operation:
    """One of a manifest's operations."""
    name = entry["operation"]
    tell = _HOW.get(name)
    return Operation(
        name=name,
        how=tell(entry["settings"], entry) if tell else json.dumps(entry["settings"], ensure_ascii=False),
        came_in=MISSING if name == "synthesize" else whole(entry["came_in"]),
        dropped=by_reason(entry["dropped"]),
        altered=whole(entry["altered"]),
        left=whole(entry["left"]),
    )


def _read(settings: None, entry: Facts) -> str:
    return "every picture decoded once; rows of every split"


def _join(settings: list[str], entry: Facts) -> str:
    return f"all rows of {join(settings)}, no pair twice; rows of every split"


def _synthesize(settings: Facts, entry: Facts) -> str:
    """Who drew, how, and for which prompts."""
    steps, prompts = settings["steps"], entry["prompts"]
    how = f"{entry['teacher']} drew in {whole(steps)} step{'s' if steps > 1 else ''}, "
    how += f"guidance_scale {settings['guidance_scale']:g}, for {whole(entry['prompts_used'])} of {whole(prompts)} "
    how += f"different prompt{'s' if prompts > 1 else ''} {_prompts(settings['prompts'])}"
    held_out = entry["prompts_held_out"]
    return f"{how}; {whole(held_out)} held out, never drawn" if held_out else how


def _prompts(settings: str | Facts) -> str:
    if isinstance(settings, str):
        return f"from {place(settings)}"
    if settings.get("captions_of") is not None:
        return f"from the training captions of {settings['captions_of']}"
    return f"from {_quoted(settings['templates'])}"


def _quoted(templates: list[str]) -> str:
    """Templates in words: the first few, and how many more there are."""
    shown = [f"“{text}”" for text in templates[:SHOWN]]
    more = len(templates) - len(shown)
    return join([*shown, f"{whole(more)} more templates"] if more else shown)


def _deduplicate(settings: Facts, entry: Facts) -> str:
    return (
        f"near-duplicates go: at most {settings['distance']} of 64 bits of the perceptual hash and "
        f"{settings['colour']:g} levels of colour apart; the largest stays"
    )


def _min_side(settings: int, entry: Facts) -> str:
    return f"short side of at least {whole(settings)} px"


def _crop(settings: str, entry: Facts) -> str:
    """Which crop, how often each was taken, and what the scorer said of them."""
    taken = entry["taken"]
    counts = ", ".join(f"{place} {whole(n)}" for place, n in taken.items())
    if settings != "best_of_3":
        return f"to a square: {counts}"
    how = f"to the square that the scorer prefers of three; taken: {counts}"
    if not known(entry.get("score_taken")):
        return how
    return f"{how}; mean score {number(entry['score_centre'])} by the centre, {number(entry['score_taken'])} as taken"


def _captions(settings: Facts, entry: Facts) -> str:
    if settings.get("file") is not None:
        how = f"new captions from {place(settings['file'])}"
        kept, idle = entry["kept_old_caption"], entry["lines_without_picture"]
        how += f"; old one kept: {whole(kept)}" if kept else ""
        return f"{how}; lines of the file without a picture here: {whole(idle)}" if idle else how
    template = settings["template"]
    if isinstance(template, str):
        return f"the old caption in {_quoted([template])}"
    return f"the old caption in one of {whole(len(template))} templates, by seed: {_quoted(template)}"


def _curate(settings: Facts, entry: Facts) -> str:
    if settings.get("keep") is not None:
        how = f"the best {percent(settings['keep'])} by the scorer"
    else:
        how = f"score of at least {settings['least']:g}"
    return f"{how}; mean score {number(entry['score_before'])} before, {number(entry['score_after'])} after"


def place(path: str) -> str:
    """A set's name or a relative path as it is; of an absolute path, which is this machine's matter, the last part."""
    return Path(path).name if Path(path).is_absolute() else path


def by_reason(dropped: Mapping[str, int]) -> str:
    """``4: 3 near-duplicate, 1 broken``."""
    if not dropped:
        return "none"
    return f"{whole(sum(dropped.values()))}: {', '.join(f'{whole(n)} {why}' for why, n in dropped.items())}"


_HOW: Mapping[str, Callable[[Any, Facts], str]] = {
    "read": _read,
    "join": _join,
    "synthesize": _synthesize,
    "deduplicate": _deduplicate,
    "min_side": _min_side,
    "crop": _crop,
    "captions": _captions,
    "curate": _curate,
}
