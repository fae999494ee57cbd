"""Filters for unusable rows: broken pictures, missing captions, pictures that are too small."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.data.pictures import BrokenPicture, read, size
from workbench.data.work import Done, Drop, Row, Work
from workbench.progress import Progress

BROKEN, NO_CAPTION = "broken", "no caption"


def sift(rows: Sequence[Row], progress: Progress) -> Done:
    """Decodes every picture once and drops broken ones and those without a caption, in every split."""
    remaining, dropped = [], []
    with progress("read pictures", len(rows)) as tick:
        for i, row in enumerate(rows, 1):
            if not row.text.strip():
                dropped.append(Drop(row.name, NO_CAPTION, f"found {row.text!r}"))
            else:
                try:
                    read(row.file)
                    remaining.append(row)
                except BrokenPicture as error:
                    dropped.append(Drop(row.name, BROKEN, str(error)))
            tick(i)
    return Done(remaining, dropped)


def drop_small(train: Sequence[Row], work: Work) -> Done:
    """Drops pictures whose shorter side has fewer than ``min_side`` pixels."""
    least = work.data_set.min_side or 0
    remaining, dropped = [], []
    for row in train:
        width, height = size(row.file)
        if min(width, height) < least:
            dropped.append(Drop(row.name, f"smaller than {least} px", f"{width} x {height}"))
        else:
            remaining.append(row)
    return Done(remaining, dropped)
