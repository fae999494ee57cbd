"""The types that operations on data sets exchange: rows in, rows and a report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.parts import Part

if TYPE_CHECKING:
    import numpy as np

    from workbench.data.sets import DataSet
    from workbench.progress import Progress

Score = Callable[["np.ndarray", Sequence[str]], "np.ndarray"]
"""``score(pictures uint8 [N, H, W, 3], captions) -> float [N]``: how well each picture matches its caption."""
Draw = Callable[[Sequence[str], int, float, int], "np.ndarray"]
"""``draw(prompts, steps, guidance_scale, seed) -> uint8 [N, H, W, 3]``."""
TRAIN, HELD_OUT = "train", "held_out"


@dataclass(frozen=True)
class Row:
    """A captioned picture: where it lies now, and its future name (posix) in the set.

    ``ours``: written by workbench and never edited, so that a hard link is as good as a copy. ``was``: its name in the
    earlier set, where an operation renamed it.
    """

    picture: Part
    name: str
    text: str
    split: str
    ours: bool = False
    was: str | None = None

    @property
    def name_before(self) -> str:
        """Its name in the earlier set, which users' caption files refer to."""
        return self.name if self.was is None else self.was


@dataclass(frozen=True)
class Drop:
    """A dropped picture: ``why`` is the reason, for counting; ``detail`` is about this one."""

    name: str
    why: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name if self.name.isprintable() else repr(self.name)}: {self.detail or self.why}"


@dataclass(frozen=True)
class Done:
    """The result of an operation: rows, those dropped, how many were altered, and other facts (JSON)."""

    rows: list[Row]
    dropped: list[Drop] = field(default_factory=list)
    altered: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """The other inputs of operations.

    ``source`` is the model's folder, ``side`` the side of its pictures in pixels (crops and pictures are scored at that
    size), ``data`` the recipe's own folder (None or demo: the model's pictures). ``held_out`` are captions and prompts
    of evaluation that must not be trained on, so they are never drawn.
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
    """One set being made: ``held_out`` are its rows of other splits than train, ``state`` a temporary folder."""

    data_set: DataSet
    context: Context
    held_out: Sequence[Row]
    state: Path
    progress: Progress
