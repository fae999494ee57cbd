"""Joins several sets: every row of each, prefixed with the set's name, but no pair twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from workbench.data.operation import Done, Drop, Row


def join(sets: Mapping[str, Sequence[Row]]) -> Done:
    """Rows of all sets in order; rows with the picture (byte by byte), caption and split of an earlier one are dropped.

    So held-out rows, which pass through every set of a chain, occur once.
    """
    rows, dropped = [], []
    seen: dict[tuple[bytes, str, str], str] = {}
    for name, set_rows in sets.items():
        for row in set_rows:
            key = (sha256(row.picture.read()).digest(), row.text, row.split)
            renamed = replace(row, name=f"{name}/{row.name}")
            if key in seen:
                dropped.append(Drop(renamed.name, "the same pair twice", f"as {seen[key]}"))
            else:
                seen[key] = renamed.name
                rows.append(renamed)
    return Done(rows, dropped)
