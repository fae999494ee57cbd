"""A finished set on disk: pictures, metadata.jsonl, manifest.json with the counts, dropped.jsonl with every name."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from workbench.data.forms import PICTURES
from workbench.data.operation import TRAIN, Done, Drop, Row
from workbench.data.parts import Part, Span
from workbench.data.pictures import header
from workbench.store.files import write_atomic

MANIFEST, DROPPED, METADATA = "manifest.json", "dropped.jsonl", "metadata.jsonl"
_NAMED = 20
"""Number of dropped pictures for each reason that the manifest itself names."""


def count(rows: Sequence[Row]) -> dict[str, int]:
    """Rows in all and by split, ``train`` first."""
    splits = Counter(row.split for row in rows)
    return {"total": len(rows), TRAIN: splits.pop(TRAIN, 0), **dict(sorted(splits.items()))}


def operation(name: str, settings: Any, came_in: int, done: Done) -> dict[str, Any]:
    """The record of one operation; ``came_in``: its number of input rows."""
    return {
        "operation": name,
        "settings": settings,
        "came_in": came_in,
        "dropped": dict(Counter(drop.why for drop in done.dropped)),
        "altered": done.altered,
        "left": len(done.rows),
        **done.facts,
    }


def named(dropped: Sequence[Drop]) -> dict[str, list[str]]:
    """The first few names by reason, with their details."""
    names: dict[str, list[str]] = {}
    for drop in dropped:
        of_reason = names.setdefault(drop.why, [])
        if len(of_reason) < _NAMED:
            of_reason.append(f"{drop.name}: {drop.detail}" if drop.detail else drop.name)
    return names


def write_set(rows: Sequence[Row], dropped: Sequence[Drop], manifest: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Writes the set to ``out``, ``manifest.json`` last, and returns the complete manifest.

    Pictures of earlier sets are hard-linked where the disk allows it, all others are copied.
    """
    taken: dict[str, Part] = {}
    lines, sides, size_bytes = [], [], 0
    for row in rows:
        name = _free(row, taken)
        target = out / PICTURES / name
        if name not in taken:
            taken[name] = row.picture
            _copy(row, target)
        size_bytes += target.stat().st_size
        sides.append(min(header(Span(target))[1:]))
        line = {"file_name": f"{PICTURES}/{name}", "text": row.text, "split": row.split}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_atomic(out / METADATA, "".join(lines))
    drops = [{"file_name": d.name, "why": d.why, "detail": d.detail} for d in dropped]
    write_atomic(out / DROPPED, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in drops))
    complete = {
        **manifest,
        "pictures": count(rows),
        "dropped": dict(Counter(drop.why for drop in dropped)),
        "dropped_named": named(dropped),
        "facts": {
            "bytes": size_bytes,
            "short_side": {"least": min(sides), "median": float(np.median(sides)), "most": max(sides)},
            "captions": len({row.text for row in rows}),
            "words_per_caption": float(np.mean([len(row.text.split()) for row in rows])),
        },
    }
    write_atomic(out / MANIFEST, json.dumps(complete, indent=1, ensure_ascii=False) + "\n")
    return complete


def _free(row: Row, taken: Mapping[str, Part]) -> str:
    """The row's name, with a number if another picture already has it."""
    path, name, number = PurePosixPath(row.name), row.name, 1
    while name in taken and taken[name] != row.picture:
        number += 1
        name = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    return name


def _copy(row: Row, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if row.ours:
        try:
            os.link(row.picture.file, target)
            return
        except OSError:  # another disk, or one without links
            pass
    target.write_bytes(row.picture.read())
