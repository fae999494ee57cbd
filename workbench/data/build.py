"""Makes one data set: rows from its source, then its operations in order, then a folder with a manifest."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.data.broken import drop_small, sift
from workbench.data.caption import recaption
from workbench.data.crop import crop
from workbench.data.curate import curate
from workbench.data.dedupe import deduplicate
from workbench.data.forms import PICTURES, read_rows
from workbench.data.latents import decode
from workbench.data.manifest import DROPPED, MANIFEST, METADATA, count, operation, write_set
from workbench.data.operation import TRAIN, Context, Done, Drop, Row, Work
from workbench.data.sets import DATA, DEMO, DataSet, Prompts
from workbench.data.synthesize import synthesize
from workbench.errors import InputError
from workbench.progress import Progress, quiet
from workbench.store.files import hash_file

VERSION = 1
_Operation = Callable[[Sequence[Row], Work], Done]
_OPERATIONS: Mapping[str, _Operation] = {
    "deduplicate": deduplicate,
    "min_side": drop_small,
    "crop": crop,
    "captions": recaption,
    "curate": curate,
}


def key_parts(data_set: DataSet, seed: int) -> dict[str, Any]:
    """What a set depends on by itself, for ``store.key_of``; its name included, since the manifest contains it.

    The caller adds the code and the keys of the sets that it is made from.
    """
    return {
        "data_set": data_set.model_dump(mode="json", by_alias=True),
        "files": {".".join(map(str, location)): hash_file(file) for location, file in data_set.files().items()},
        "seed": seed,
    }


def build(
    data_set: DataSet, inputs: Mapping[str, Path], context: Context, out: Path, progress: Progress = quiet
) -> dict[str, Any]:
    """Makes the set in ``out`` and returns its manifest.

    Args:
        inputs: the folders of the earlier sets that this one names.
        context: model, seed, scorer and teacher.
        out: a temporary folder, which the caller renames afterwards. Results of an earlier attempt in it are reused
            (``state``: decoded and drawn pictures) or replaced.

    Raises:
        InputError: a folder without captions, a missing scorer or teacher, no prompts, nothing to curate, or nothing
            left to train on; the message counts what was dropped and why.
    """
    state = out / "state"
    shutil.rmtree(out / PICTURES, ignore_errors=True)
    for name in (METADATA, DROPPED, MANIFEST):
        (out / name).unlink(missing_ok=True)
    state.mkdir(parents=True, exist_ok=True)

    rows, dropped, records, came_in = _begin(data_set, inputs, context, state, progress)
    train = [row for row in rows if row.split == TRAIN]
    held_out = [row for row in rows if row.split != TRAIN]
    work = Work(data_set, context, held_out, state, progress)
    _refuse_none_left(data_set, dropped, any(entry["pictures"][TRAIN] for entry in came_in) and not train)
    for key, apply in _OPERATIONS.items():
        if getattr(data_set, key) is None:
            continue
        before = len(train)
        done = apply(train, work)
        train = done.rows
        dropped += done.dropped
        settings = data_set.model_dump(mode="json", by_alias=True, include={key})[key]
        records.append(operation(key, settings, before, done))
        _refuse_none_left(data_set, dropped, before > 0 and not train)
    if not train and not held_out:
        raise InputError(f"data set {data_set.name}: no pictures came in")
    manifest = {
        "version": VERSION,
        "name": data_set.name,
        "settings": data_set.model_dump(mode="json", by_alias=True, exclude_none=True),
        "seed": context.seed,
        "came_in": came_in,
        "operations": records,
    }
    manifest = write_set([*train, *held_out], dropped, manifest, out)
    shutil.rmtree(state)
    return manifest


_Begun = tuple[list[Row], list[Drop], list[dict[str, Any]], list[dict[str, Any]]]


def _begin(data_set: DataSet, inputs: Mapping[str, Path], context: Context, state: Path, progress: Progress) -> _Begun:
    """Rows, those dropped, records of operations, and what came in."""
    if data_set.synthesize is not None:
        settings, texts, held_out, came_in = data_set.synthesize, [], [], []
        if isinstance(settings.prompts, Prompts) and settings.prompts.captions_of is not None:
            rows = _of_set(inputs[settings.prompts.captions_of])
            texts = [row.text for row in rows if row.split == TRAIN]
            held_out = [row for row in rows if row.split != TRAIN]
            came_in = [{"from": settings.prompts.captions_of, "pictures": count(held_out)}]
        context = replace(context, held_out=context.held_out | {row.text for row in held_out})
        done = synthesize(data_set.name, settings, texts, context, state, progress)
        record = operation("synthesize", settings.model_dump(mode="json", by_alias=True), 0, done)
        return [*done.rows, *held_out], [], [record], came_in
    if data_set.join is not None:
        sets = {name: _of_set(inputs[name]) for name in data_set.join}
        done = _join(sets)
        came_in = [{"from": name, "pictures": count(rows)} for name, rows in sets.items()]
        record = operation("join", data_set.join, sum(map(len, sets.values())), done)
        return done.rows, list(done.dropped), [record], came_in
    source = data_set.from_ or DATA
    folder = (context.data or DEMO) if source == DATA else source
    if source in inputs or folder == DEMO:
        earlier = inputs.get(source)
        rows = decode(context.source, state, progress) if earlier is None else _of_set(earlier)
        return rows, [], [], [{"from": source, "pictures": count(rows)}]
    rows = read_rows(Path(folder))
    done = sift(rows, progress)
    record = operation("read", None, len(rows), done)
    return done.rows, list(done.dropped), [record], [{"from": source, "pictures": count(rows)}]


def _join(sets: Mapping[str, Sequence[Row]]) -> Done:
    """Rows of all sets in order, named after their set; a row with the picture (byte by byte), caption and split of an
    earlier one is dropped. So held-out rows, which pass through every set of a chain, occur once."""
    done, seen = Done([]), dict[tuple[bytes, str, str], str]()
    for name, rows in sets.items():
        for row in rows:
            key = (sha256(row.picture.read()).digest(), row.text, row.split)
            renamed = replace(row, name=f"{name}/{row.name}")
            if key in seen:
                done.dropped.append(Drop(renamed.name, "the same pair twice", f"as {seen[key]}"))
            else:
                seen[key] = renamed.name
                done.rows.append(renamed)
    return done


def _of_set(folder: Path) -> list[Row]:
    return [replace(row, ours=True) for row in read_rows(folder)]


def _refuse_none_left(data_set: DataSet, dropped: Sequence[Drop], none_left: bool) -> None:
    if not none_left:
        return
    counts = ", ".join(f"{number} {why}" for why, number in Counter(drop.why for drop in dropped).items())
    first = f"; the first: {dropped[0].name} ({dropped[0].detail or dropped[0].why})"
    raise InputError(
        f"data set {data_set.name}: all pictures were filtered away: {counts}{first}",
        hint="loosen the filter that dropped most",
    )
