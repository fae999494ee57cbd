"""What can't be used at all: broken pictures, rows without a caption, pictures that are too small."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.data.pictures import BrokenPicture, read, size
from workbench.data.work import Done, Drop, Row, Work
from workbench.progress import Progress

BROKEN, NO_CAPTION = "broken", "no caption"


def sift(rows: Sequence[Row], progress: Progress) -> Done:
    """Decodes every picture once and leaves out the broken ones and those without a caption, whatever their split."""
    left, dropped = [], []
    with progress("read pictures", len(rows)) as tick:
        for i, row in enumerate(rows, 1):
            if not row.text.strip():
                dropped.append(Drop(row.name, NO_CAPTION, f"found {row.text!r}"))
            else:
                try:
                    read(row.file)
                    left.append(row)
                except BrokenPicture as error:
                    dropped.append(Drop(row.name, BROKEN, str(error)))
            tick(i)
    return Done(left, dropped)


def drop_small(train: Sequence[Row], work: Work) -> Done:
    """Leaves out pictures whose shorter side has fewer than ``min_side`` pixels."""
    least = work.data_set.min_side or 0
    left, dropped = [], []
    for row in train:
        width, height = size(row.file)
        if min(width, height) < least:
            dropped.append(Drop(row.name, f"smaller than {least} px", f"{width} x {height}"))
        else:
            left.append(row)
    return Done(left, dropped)
