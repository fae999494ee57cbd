"""Joins several sets: every row of each, prefixed with the set's name, but no pair twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from workbench.data.work import Done, Drop, Row
from workbench.store.files import hash_file


def join(sets: Mapping[str, Sequence[Row]]) -> Done:
    """Rows of all sets in order; rows with the picture (byte by byte), caption and split of an earlier one are dropped.

    So held-out rows, which pass through every set of a chain, occur once.
    """
    rows, dropped = [], []
    seen: dict[tuple[str, str, str], str] = {}
    for name, set_rows in sets.items():
        for row in set_rows:
            key = (hash_file(row.file), row.text, row.split)
            renamed = replace(row, name=f"{name}/{row.name}")
            if key in seen:
                dropped.append(Drop(renamed.name, "the same pair twice", f"as {seen[key]}"))
            else:
                seen[key] = renamed.name
                rows.append(renamed)
    return Done(rows, dropped)
