"""Curation by score: keeps the training pairs with the best scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.data.operation import Done, Drop, Row, Work
from workbench.data.pictures import batches, fitted, read, scored
from workbench.data.sets import Curate
from workbench.errors import InputError


def curate(train: Sequence[Row], work: Work) -> Done:
    """The best share of the rows (at least one, the first among equals), or all that reach the least score.

    Raises:
        InputError: there is no scorer, or nothing to curate.
    """
    settings, name = work.data_set.curate or Curate(keep=1.0), work.data_set.name
    if work.context.score is None:
        raise InputError(f"data set {name}: curate needs a scorer, and this model brings none", hint="drop the key")
    if not train:
        raise InputError(f"data set {name}: nothing to curate: no picture in it has the split train")
    scores: list[float] = []
    with work.progress("score", len(train)) as tick:
        for batch in batches(train):
            pictures = np.stack([fitted(read(row.picture), (work.context.side,) * 2) for row in batch])
            scores += scored(work.context.score, pictures, [row.text for row in batch]).tolist()
            tick(len(scores))
    values = np.array(scores)
    if settings.keep is not None:
        count = max(1, round(settings.keep * len(train)))
        stays = np.zeros(len(train), dtype=bool)
        stays[np.argsort(-values, kind="stable")[:count]] = True
        why = f"not among the best {settings.keep:.0%}"
    else:
        assert settings.least is not None
        stays = values >= settings.least
        why = f"scores below {settings.least:g}"
    remaining = [row for row, stay in zip(train, stays, strict=True) if stay]
    dropped = [Drop(train[i].name, why, f"score {values[i]:.4f}") for i in np.flatnonzero(~stays).tolist()]
    facts = {"score_before": float(values.mean()), "score_after": float(values[stays].mean()) if remaining else None}
    return Done(remaining, dropped, facts=facts)
