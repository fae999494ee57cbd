"""Crops to a square, as wide as the short side: the centre, or the best of centre and both ends of the long side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.data.operation import Done, Row, Work
from workbench.data.parts import Span
from workbench.data.pictures import batches, fitted, read, scored, write_png
from workbench.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

POSITIONS = ("centre", "start", "end")


def crop(train: Sequence[Row], work: Work) -> Done:
    """Replaces pictures that aren't square by a crop; among equal scores the centre wins.

    Raises:
        InputError: ``best_of_3`` without a scorer.
    """
    by_score = work.data_set.crop == "best_of_3"
    if by_score and work.context.score is None:
        raise InputError(
            f"data set {work.data_set.name}: crop: best_of_3 needs a scorer, and this model brings none",
            hint="crop: centre needs none",
        )
    result: list[Row] = []
    counts = dict.fromkeys(POSITIONS if by_score else POSITIONS[:1], 0)
    scores: list[np.ndarray] = []
    with work.progress("crop", len(train)) as tick:
        for batch in batches(train):
            wide = [(row, image) for row in batch if (image := read(row.picture)).width != image.height]
            crops: dict[Row, Image.Image] = {}
            if by_score and wide:
                scores.append(_scores([(image, row.text) for row, image in wide], work))
                picks = scores[-1].argmax(axis=1)
            else:
                picks = np.zeros(len(wide), dtype=int)
            for (row, image), pick in zip(wide, picks, strict=True):
                crops[row] = image.crop(boxes(*image.size)[pick])
                counts[POSITIONS[pick]] += 1
            for row in batch:
                result.append(_written(row, crops[row], len(result), work) if row in crops else row)
            tick(len(result))
    facts: dict[str, Any] = {"taken": counts}
    if scores:
        each = np.concatenate(scores)
        facts |= {"score_centre": float(each[:, 0].mean()), "score_taken": float(each.max(axis=1).mean())}
    return Done(result, altered=sum(counts.values()), facts=facts)


def boxes(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The three squares (left, upper, right, lower): centre, start and end of the long side."""
    side, over = min(width, height), abs(width - height)
    return [(at, 0, at + side, side) if width > height else (0, at, side, at + side) for at in (over // 2, 0, over)]


def _scores(pairs: Sequence[tuple[Image.Image, str]], work: Work) -> np.ndarray:
    """Scores [N, 3] of the crops of each picture."""
    assert work.context.score is not None
    side = work.context.side
    crops = [fitted(image.crop(box), (side, side)) for image, _ in pairs for box in boxes(*image.size)]
    captions = [text for _, text in pairs for _ in POSITIONS]
    return scored(work.context.score, np.stack(crops), captions).reshape(-1, len(POSITIONS))


def _written(row: Row, image: Image.Image, number: int, work: Work) -> Row:
    file = work.state / "crops" / f"{number:07d}.png"
    write_png(image, file)
    name = str(PurePosixPath(row.name).with_suffix(".png"))
    return replace(row, picture=Span(file), name=name, ours=True, was=row.name_before)
