"""Pairs that a teacher draws: prompts from a file, from templates, or the captions of another set."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from string import Formatter

import numpy as np

from workbench.data.lines import numbered
from workbench.data.operation import TRAIN, Context, Done, Row
from workbench.data.parts import Span
from workbench.data.pictures import write_png
from workbench.data.sets import Prompts, Synthesize
from workbench.errors import InputError
from workbench.progress import Progress

_ORDER, _NOISE = 3, 4
"""Separate the random numbers of this operation from those of others with the same seed."""
_BATCH = 16
_MOST_PROMPTS = 1_000_000
_LEAST_WORDS = 3
"""Held-out captions of at least this many words are also searched for inside longer prompts."""


def synthesize(
    name: str, settings: Synthesize, captions: Sequence[str], context: Context, state: Path, progress: Progress
) -> Done:
    """Draws ``count`` pictures into ``state``, all of them training rows; batches drawn before a crash are kept.

    Held-out prompts (``HeldOut``) are left out. The noise depends on the seed and the picture's number, and is never
    that of evaluation.

    Args:
        captions: those of the set that ``captions_of`` names.

    Raises:
        InputError: nothing can draw, or no prompt is left.
    """
    if context.draw is None:
        raise InputError(f"data set {name}: nothing can draw: {settings.from_!r} is no teacher here")
    known = list(dict.fromkeys(prompts_of(settings, captions)))
    held_out = HeldOut(context.held_out)
    prompts = [prompt for prompt in known if prompt not in held_out]
    if not prompts:
        why = f": all {len(known)} are held out" if known else ""
        raise InputError(f"data set {name}: synthesize: no prompts{why}")
    count = settings.count or len(prompts)
    chosen = _in_order(prompts, count, context.seed)
    rows: list[Row] = []
    with progress("draw", count) as tick:
        for batch, start in enumerate(range(0, count, _BATCH)):
            texts = chosen[start : start + _BATCH]
            new = [
                Row(Span(state / "drawn" / f"{start + k:07d}.png"), f"{start + k:07d}.png", text, TRAIN, ours=True)
                for k, text in enumerate(texts)
            ]
            if not all(row.picture.file.is_file() for row in new):
                seed = int(np.random.default_rng([context.seed, _NOISE, batch]).integers(2**31))
                drawn = np.asarray(context.draw(texts, settings.steps, settings.guidance_scale, seed))
                for row, picture in zip(new, drawn, strict=True):
                    write_png(picture, row.picture.file)
            rows += new
            tick(len(rows))
    facts = {
        "teacher": settings.from_,
        "prompts": len(known),
        "prompts_held_out": len(known) - len(prompts),
        "prompts_used": len(set(chosen)),
    }
    return Done(rows, facts=facts)


class HeldOut:
    """Prompts that must not be trained on: the held-out captions and prompts that contain one.

    Words are compared without case and punctuation. "a red apple on a plate" contains "red apple on a plate"; captions
    of one or two words ("cat") occur in too many prompts, so they have to equal the prompt.
    """

    def __init__(self, captions: Iterable[str]) -> None:
        self._texts = {_words(caption) for caption in captions}
        self._lengths = {len(text) for text in self._texts}

    def __contains__(self, prompt: str) -> bool:
        words = _words(prompt)
        return words in self._texts or any(
            words[i : i + length] in self._texts
            for length in self._lengths
            if length >= _LEAST_WORDS
            for i in range(len(words) - length + 1)
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", text.casefold()))


def prompts_of(settings: Synthesize, captions: Sequence[str]) -> list[str]:
    """All prompts, in order: lines of the file, every combination of words in every template, or ``captions``."""
    prompts = settings.prompts
    if isinstance(prompts, str):
        return _lines(Path(prompts))
    return list(captions) if prompts.captions_of is not None else _filled(prompts)


def _filled(prompts: Prompts) -> list[str]:
    """Every template with every combination of its words.

    Raises:
        InputError: there are more than ``_MOST_PROMPTS`` of them.
    """
    words = {name: _lines(Path(w)) if isinstance(w, str) else list(w) for name, w in prompts.words.items()}
    result = []
    for template in prompts.templates or []:
        names = list(dict.fromkeys(field for _, field, _, _ in Formatter().parse(template) if field is not None))
        if math.prod(len(words[name]) for name in names) > _MOST_PROMPTS:
            raise InputError(f"synthesize: {template!r} makes more than {_MOST_PROMPTS} prompts; give it fewer words")
        for chosen in product(*(words[name] for name in names)):
            result.append(template.format(**dict(zip(names, chosen, strict=True))))
    return result


def _lines(file: Path) -> list[str]:
    lines = [line.strip() for _, line in numbered(file)]
    if not lines:
        raise InputError(f"{file}: empty; needs one prompt or word a line")
    return lines


def _in_order(prompts: Sequence[str], count: int, seed: int) -> list[str]:
    """``count`` prompts in a seeded order; none is repeated before all were used."""
    rng = np.random.default_rng([seed, _ORDER])
    result: list[str] = []
    while len(result) < count:
        result += [prompts[i] for i in rng.permutation(len(prompts))]
    return result[:count]
