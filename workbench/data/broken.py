"""Filters for unusable rows: broken pictures, captions that can't be used, pictures that are too small."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from workbench.data.operation import Done, Drop, Row, Work
from workbench.data.parts import Part
from workbench.data.pictures import BrokenPicture, header, read
from workbench.errors import InputError
from workbench.progress import Progress, warn

_LONGEST_CAPTION = 10_000
"""Characters; text encoders read some hundred."""
_LOOKED_AT = 16
_NAMED = 5


def without_caption(name: str, text: str) -> Drop | None:
    """Why a caption can't be used."""
    if not text.strip():
        return Drop(name, "no caption", f"found {text!r}")
    if len(text) > _LONGEST_CAPTION:
        return Drop(name, "caption too long", f"more than {_LONGEST_CAPTION} characters")
    return Drop(name, "caption with a NUL character") if "\0" in text else None


def unusable(row: Row, opens: Callable[[Part], object] = read) -> Drop | None:
    """Why a row can't be used; ``opens`` decodes the picture, or reads its header."""
    drop = without_caption(row.name, row.text)
    if drop is None:
        try:
            opens(row.picture)
        except BrokenPicture as error:
            return Drop(row.name, "broken", str(error))
    return drop


def sift(rows: Sequence[Row], progress: Progress) -> Done:
    """Decodes every picture once and drops the rows that can't be used, in every split.

    Pictures from tables, which have no file name, get their format as suffix.
    """
    done = Done([])
    with progress("read pictures", len(rows)) as tick:
        for i, row in enumerate(rows, 1):
            if drop := unusable(row):
                done.dropped.append(drop)
            elif PurePosixPath(row.name).suffix:
                done.rows.append(row)
            else:
                done.rows.append(replace(row, name=f"{row.name}.{header(row.picture)[0].lower()}"))
            tick(i)
    return done


def look(rows: Sequence[Row]) -> None:
    """Reads the headers of some pictures; all of a large set would take minutes.

    Raises:
        InputError: not one of them can be used.
    """
    looked_at = rows[:: max(1, len(rows) // _LOOKED_AT)]
    drops = [drop for row in looked_at if (drop := unusable(row, header))]
    if len(drops) == len(looked_at):
        raise InputError(f"no picture can be used: {first(drops)}")
    say(drops, f"{len(looked_at)} pictures looked at")


def say(drops: Sequence[Drop], of: str) -> None:
    """Warns of what is left out."""
    if drops:
        warn(f"data: {len(drops)} of the {of} left out: {first(drops)}")


def first(drops: Sequence[Drop]) -> str:
    """The first few, each with what is wrong with it."""
    more = [f"and {len(drops) - _NAMED} more"] if len(drops) > _NAMED else []
    return "; ".join([*map(str, drops[:_NAMED]), *more])


def drop_small(train: Sequence[Row], work: Work) -> Done:
    """Drops pictures whose shorter side has fewer than ``min_side`` pixels."""
    least, done = work.data_set.min_side or 0, Done([])
    for row in train:
        _, width, height = header(row.picture)
        if min(width, height) < least:
            done.dropped.append(Drop(row.name, f"smaller than {least} px", f"{width} x {height}"))
        else:
            done.rows.append(row)
    return done
