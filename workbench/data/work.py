"""What the operations on data sets hand each other: rows in, rows and a report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from workbench.data.sets import DataSet
    from workbench.progress import Progress

Score = Callable[["np.ndarray", Sequence[str]], "np.ndarray"]
"""``score(pictures uint8 [N, H, W, 3], captions) -> float [N]``: how well each picture goes with its caption."""
Draw = Callable[[Sequence[str], int, float, int], "np.ndarray"]
"""``draw(prompts, steps, guidance_scale, seed) -> uint8 [N, H, W, 3]``."""
TRAIN = "train"


@dataclass(frozen=True)
class Row:
    """A captioned picture: ``file`` is where it lies now, ``name`` (posix) what it will be called in the set.

    ``ours``: a file of workbench's own, which no one edits, so that a link to it is as good as a copy. ``was``: its
    name in the set before, where an operation gave it another one.
    """

    file: Path
    name: str
    text: str
    split: str
    ours: bool = False
    was: str | None = None

    @property
    def name_before(self) -> str:
        """Its name in the set before, by which files of others know it."""
        return self.name if self.was is None else self.was


@dataclass(frozen=True)
class Drop:
    """A picture that didn't come through: ``why`` is what is counted, ``detail`` is about this one."""

    name: str
    why: str
    detail: str = ""


@dataclass(frozen=True)
class Done:
    """What an operation leaves: rows, what it dropped, how many it altered, and other facts of it (JSON)."""

    rows: list[Row]
    dropped: list[Drop] = field(default_factory=list)
    altered: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What the operations need besides pictures.

    ``source`` is the model's folder, ``side`` the side of its pictures in pixels (crops and pictures are scored at that
    size), ``data`` the recipe's own folder (None or demo: the model's pictures). ``held_out`` are captions and prompts
    that training must not show, so that they are never drawn; evaluation asks them, and training captions beside them.
    """

    source: Path
    seed: int
    side: int
    score: Score | None = None
    draw: Draw | None = None
    held_out: frozenset[str] = frozenset()
    data: str | None = None


@dataclass(frozen=True)
class Work:
    """One set at work: ``others`` are the rows that aren't for training, ``state`` a folder for files on the way."""

    data_set: DataSet
    context: Context
    others: Sequence[Row]
    state: Path
    progress: Progress
