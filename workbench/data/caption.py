"""New captions for pictures: a template around the old caption, or a file that another model or a person wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.data.sets import Captions
from workbench.data.work import Done, Row, Work
from workbench.errors import InputError

_TEMPLATES = 2
"""Sets the random numbers of this operation apart from others of the same seed."""


def recaption(train: Sequence[Row], work: Work) -> Done:
    """Rows with their new captions; a picture that the file doesn't name keeps its old one.

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
    result = [replace(row, text=texts.get(row.name, row.text)) for row in train]
    named = sum(row.name in texts for row in train)
    if train and not named:
        raise InputError(
            f"data set {work.data_set.name}: captions: {settings.file} names none of the {len(train)} pictures",
            hint=f"file_name is a name from the set before, such as {train[0].name}",
        )
    unused = len(texts.keys() - {row.name for row in train})
    facts = {"kept_old_caption": len(train) - named, "lines_without_picture": unused}
    return Done(result, altered=named, facts=facts)


def read_captions(file: Path) -> dict[str, str]:
    """Caption by picture name, from JSON lines with ``file_name`` and ``text``.

    Raises:
        InputError: a line isn't such a row, or a picture is named twice; with file and line.
    """
    texts: dict[str, str] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: can't be read ({error})") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, text = row["file_name"], row["text"]
            good = isinstance(name, str) and isinstance(text, str) and bool(text.strip())
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise InputError(f'{file}:{number}: found {line[:60]!r}; a line is {{"file_name": "x.png", "text": "…"}}')
        name = name.removeprefix("pictures/")
        if name in texts:
            raise InputError(f"{file}:{number}: {name} is named twice; needs one caption a picture")
        texts[name] = text
    return texts
