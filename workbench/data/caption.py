"""New captions for pictures: a template around the old caption, or a file that another model or a person wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.data.broken import without_caption
from workbench.data.forms import PICTURES
from workbench.data.operation import Done, Row, Work
from workbench.data.sets import Captions
from workbench.data.tables import picture_of, records, text_of
from workbench.errors import InputError

_TEMPLATES = 2
"""Separates the random numbers of this operation from those of others with the same seed."""
_NAMED = 5
"""Number of names in an error."""


def recaption(train: Sequence[Row], work: Work) -> Done:
    """Rows with new captions; a picture that isn't in the file keeps its old one.

    Raises:
        InputError: the file can't be read, or names none of the pictures.
    """
    settings = work.data_set.captions or Captions()
    if settings.file is None:
        templates = settings.templates()
        picks = np.random.default_rng([work.context.seed, _TEMPLATES]).integers(0, len(templates), len(train))
        result = [replace(row, text=templates[k].format(row.text)) for row, k in zip(train, picks, strict=True)]
        return Done(result, altered=len(result))
    texts = read_captions(Path(settings.file))
    result = [replace(row, text=texts.get(row.name_before, row.text)) for row in train]
    names = list(dict.fromkeys(row.name_before for row in train))
    named = sum(row.name_before in texts for row in train)
    if train and not named:
        raise InputError(
            f"data set {work.data_set.name}: captions: {settings.file} names none of the {len(train)} pictures: "
            f"found {_some(list(texts)) or 'no line'}",
            hint=f"a file_name is a name in the set before, here one of {_some(names)}",
        )
    unused = len(texts.keys() - set(names))
    facts = {"kept_old_caption": len(train) - named, "lines_without_picture": unused}
    return Done(result, altered=named, facts=facts)


def read_captions(file: Path) -> dict[str, str]:
    """Caption by picture name, from a table.

    Raises:
        InputError: a caption can't be used, or a picture is named twice; with file and line.
    """
    texts: dict[str, str] = {}
    for where, record in records(file):
        text, picture = text_of(where, record), picture_of(where, record)
        name = str(getattr(picture, "name", picture)).removeprefix(f"{PICTURES}/")
        if drop := without_caption(name, text):
            raise InputError(f"{where}: {drop}; needs a caption")
        if name in texts:
            raise InputError(f"{where}: {name} is named twice; needs one caption a picture")
        texts[name] = text
    return texts


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
