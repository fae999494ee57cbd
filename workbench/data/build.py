"""Makes one data set: rows from its source, then its operations in order, then a folder with everything told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.data.broken import drop_small, sift
from workbench.data.caption import recaption
from workbench.data.captioned import rows as table_of
from workbench.data.crop import crop
from workbench.data.curate import curate
from workbench.data.dedupe import deduplicate
from workbench.data.join import join
from workbench.data.latents import decode
from workbench.data.manifest import DROPPED, MANIFEST, METADATA, PICTURES, count, operation, write_set
from workbench.data.sets import DATA, DEMO, DataSet, Prompts
from workbench.data.synthesize import synthesize
from workbench.data.work import TRAIN, Context, Done, Drop, Row, Work
from workbench.errors import InputError
from workbench.progress import Progress, quiet
from workbench.store.files import hash_file

VERSION = 1
_Operation = Callable[[Sequence[Row], Work], Done]


def key_parts(data_set: DataSet, seed: int) -> dict[str, Any]:
    """What a set depends on by itself, for ``store.key_of``.

    To be added: the code, and keys of what it is made from. The name is a part,
    since the manifest tells it.
    """
    return {
        "data_set": data_set.model_dump(mode="json", by_alias=True),
        "files": {".".join(map(str, place)): hash_file(file) for place, file in data_set.files().items()},
        "seed": seed,
    }


def build(
    data_set: DataSet, inputs: Mapping[str, Path], context: Context, out: Path, progress: Progress = quiet
) -> dict[str, Any]:
    """Makes the set in ``out`` and returns its manifest.

    Args:
        inputs: the folders of the earlier sets that this one names.
        context: model, seed, scorer and teacher.
        out: what an attempt before left there is used (``state``: decoded and drawn pictures) or replaced; the caller
            gives a folder of its own and renames it when it is done.

    Raises:
        InputError: a folder without captions, a scorer or teacher that isn't there, no prompts, nothing to curate, or
            nothing left to train on; the message counts what was dropped and why.
    """
    state = out / "state"
    shutil.rmtree(out / PICTURES, ignore_errors=True)
    for name in (METADATA, DROPPED, MANIFEST):
        (out / name).unlink(missing_ok=True)
    state.mkdir(parents=True, exist_ok=True)

    rows, dropped, told, came_in = _begin(data_set, inputs, context, state, progress)
    train = [row for row in rows if row.split == TRAIN]
    others = [row for row in rows if row.split != TRAIN]
    work = Work(data_set, context, others, state, progress)
    came_to_train = sum(entry["pictures"][TRAIN] for entry in came_in)
    _refuse_none_left(data_set, dropped, came_to_train > 0 and not train)
    for key, apply in _operations(data_set):
        before = len(train)
        done = apply(train, work)
        train = done.rows
        dropped += done.dropped
        settings = data_set.model_dump(mode="json", by_alias=True, include={key})[key]
        told.append(operation(key, settings, before, done))
        _refuse_none_left(data_set, dropped, before > 0 and not train)
    if not train and not others:
        raise InputError(f"data set {data_set.name}: no pictures came in")
    manifest = {
        "version": VERSION,
        "name": data_set.name,
        "settings": data_set.model_dump(mode="json", by_alias=True, exclude_none=True),
        "seed": context.seed,
        "came_in": came_in,
        "operations": told,
    }
    whole = write_set([*train, *others], dropped, manifest, out)
    shutil.rmtree(state)
    return whole


def _operations(data_set: DataSet) -> Iterator[tuple[str, _Operation]]:
    every: dict[str, _Operation] = {
        "deduplicate": deduplicate,
        "min_side": drop_small,
        "crop": crop,
        "captions": recaption,
        "curate": curate,
    }
    return ((key, apply) for key, apply in every.items() if getattr(data_set, key) is not None)


_Begun = tuple[list[Row], list[Drop], list[dict[str, Any]], list[dict[str, Any]]]


def _begin(data_set: DataSet, inputs: Mapping[str, Path], context: Context, state: Path, progress: Progress) -> _Begun:
    """Rows, what was dropped on the way, records of operations, and what came in."""
    if data_set.synthesize is not None:
        settings, texts, others, came_in = data_set.synthesize, [], [], []
        if isinstance(settings.prompts, Prompts) and settings.prompts.captions_of is not None:
            there = _of_set(inputs[settings.prompts.captions_of], context)
            texts = [row.text for row in there if row.split == TRAIN]
            others = [row for row in there if row.split != TRAIN]
            came_in = [{"from": settings.prompts.captions_of, "pictures": count(others)}]
        asked = replace(context, held_out=context.held_out | {row.text for row in others})
        done = synthesize(data_set.name, settings, texts, asked, state, progress)
        dumped = settings.model_dump(mode="json", by_alias=True)
        return [*done.rows, *others], [], [operation("synthesize", dumped, 0, done)], came_in
    if data_set.join is not None:
        parts = {name: _of_set(inputs[name], context) for name in data_set.join}
        done = join(parts)
        came_in = [{"from": name, "pictures": count(part)} for name, part in parts.items()]
        told = operation("join", data_set.join, sum(map(len, parts.values())), done)
        return done.rows, list(done.dropped), [told], came_in
    asked_for = data_set.from_ or DATA
    place = (context.data or DEMO) if asked_for == DATA else asked_for
    if asked_for in inputs:
        rows = _of_set(inputs[asked_for], context)
        return rows, [], [], [{"from": asked_for, "pictures": count(rows)}]
    if place == DEMO:
        rows = decode(context.source, state, progress)
        return rows, [], [], [{"from": asked_for, "pictures": count(rows)}]
    found = _of_folder(Path(place), context)
    done = sift(found, progress)
    told = operation("read", None, len(found), done)
    return done.rows, list(done.dropped), [told], [{"from": asked_for, "pictures": count(found)}]


def _of_set(folder: Path, context: Context) -> list[Row]:
    return [
        Row(folder / row["file"], row["file"].removeprefix(f"{PICTURES}/"), row["caption"], row["split"], ours=True)
        for row in table_of(str(folder), context.source)
    ]


def _of_folder(folder: Path, context: Context) -> list[Row]:
    """Rows of the user's folder; names are flattened, so that none leads out of the set."""
    root = folder.resolve()
    rows = []
    for row in table_of(str(folder), context.source):
        file = (folder / row["file"]).resolve()
        name = file.relative_to(root).as_posix().removeprefix(f"{PICTURES}/")
        if not isinstance(row["split"], str) or row["split"] in ("", "total"):  # the manifest counts a total
            raise InputError(
                f"{folder / METADATA}: {name}: found the split {row['split']!r}; needs another text, such as train"
            )
        rows.append(Row(file, name, row["caption"], row["split"]))
    return rows


def _refuse_none_left(data_set: DataSet, dropped: Sequence[Drop], none_left: bool) -> None:
    if not none_left:
        return
    reasons: dict[str, int] = {}
    for drop in dropped:
        reasons[drop.why] = reasons.get(drop.why, 0) + 1
    reasons_text = ", ".join(f"{number} {why}" for why, number in reasons.items())
    first = f"; the first: {dropped[0].name} ({dropped[0].detail or dropped[0].why})"
    raise InputError(
        f"data set {data_set.name}: all pictures were filtered away: {reasons_text}{first}",
        hint="loosen the filter that dropped most",
    )
