"""The data sets that a step is trained on, with the keys under which they lie in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.data.build import build, key_parts
from workbench.data.sets import DATA, DataSet
from workbench.evaluate.drawing import drawing
from workbench.store.depends import depends_on
from workbench.store.files import hash_file
from workbench.store.store import Store, key_of


@dataclass(frozen=True)
class PlannedSet:
    """One set with the key of its folder; ``teacher``: position of the candidate that draws for it."""

    config: DataSet
    key: str
    inputs: Mapping[str, str]
    """Keys of the earlier sets that it is made from, by name."""
    teacher: int | None = None


def needed(sets: Sequence[DataSet], name: str) -> list[DataSet]:
    """The set ``name`` and all that it is made from, in the order of the recipe."""
    names = {name}
    for data_set in reversed(sets):
        if data_set.name in names:
            names |= set(data_set.references().values())
    return [data_set for data_set in sets if data_set.name in names]


def scorer_key(source: Path, store: Store) -> str:
    """A key of the files of the model's scorer, for ``plan_sets``; "none" where it brings none."""
    folder = source / "scorer"
    files = [file for file in folder.rglob("*") if file.is_file()]
    return store.folder_hash(folder, files) if files else "none"


@dataclass(frozen=True)
class Given:
    """What the data sets of a recipe depend on besides themselves and who draws for them.

    Attributes:
        seed: the recipe's.
        data_key: of the recipe's own data, whose held-out captions are never drawn, and which ``from: data`` takes.
        folder_key: key of the contents of a folder of captioned pictures, or of demo.
        scorer: ``scorer_key`` of the model.
        prompts: the file ``evaluate.prompts``, which is never drawn from.
    """

    seed: int
    data_key: str
    folder_key: Callable[[str], str]
    scorer: str = "none"
    prompts: str | None = None


def plan_sets(
    sets: Sequence[DataSet], name: str, names: Sequence[str], keys: Sequence[str], given: Given
) -> list[PlannedSet]:
    """What has to be made for the set ``name``, in order, itself the last.

    ``names`` and ``keys`` are those of the candidates so far, the untouched model first; one of them may draw.
    """
    planned: dict[str, PlannedSet] = {}
    for data_set in needed(sets, name):
        inputs = {other: planned[other].key for other in data_set.references().values() if other in planned}
        teacher = names.index(data_set.teacher) if data_set.teacher is not None else None
        parts: dict[str, Any] = {
            **key_parts(data_set, given.seed),
            **depends_on(build, *((drawing,) if teacher is not None or data_set.needs_scorer else ())),
            "stage": "data set",
            "base": keys[0],
            "data": given.data_key,
            "inputs": inputs,
        }
        if teacher is not None:
            parts["teacher"] = keys[teacher]
            parts["prompts"] = None if given.prompts is None else hash_file(Path(given.prompts))
        if data_set.needs_scorer:
            parts["scorer"] = given.scorer
        if data_set.from_ is not None and data_set.from_ not in inputs and data_set.from_ != DATA:
            parts["folder"] = given.folder_key(data_set.from_)
        planned[data_set.name] = PlannedSet(data_set, key_of(parts), inputs, teacher)
    return list(planned.values())
