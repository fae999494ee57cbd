"""Batches with what a teacher says of them, kept and learned from again: the teacher's pass is a third of a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from workbench.training.batches import Batch
from workbench.training.loop import step_rng

if TYPE_CHECKING:
    import numpy as np
    import torch

KEPT_BYTES = 256 << 20
"""Most memory for what is kept; batches of the embedded model take 3 MB each."""


@dataclass(frozen=True)
class Lesson:
    """A batch, the teacher's output for it [B, C, h, w], and the teacher's features; None and (): nobody teaches."""

    batch: Batch
    output: torch.Tensor | None = None
    features: tuple[torch.Tensor, ...] = ()

    def of(self, rows: slice) -> Lesson:
        """Some rows of it."""
        batch = Batch(*(getattr(self.batch, each.name)[rows] for each in fields(Batch)))
        output = None if self.output is None else self.output[rows]
        return Lesson(batch, output, tuple(feature[rows] for feature in self.features))


class Lessons:
    """One lesson a step: new in every ``reuse`` th, in those between mixed from the rows of lessons that are kept.

    A row stays in its place, so that a mixed lesson covers the timesteps as evenly as a new one. What the teacher said
    is kept in bfloat16. All follows from seed and step: where training goes on from a checkpoint, the lessons before it
    are made again.
    """

    def __init__(
        self, draw: Callable[[np.random.Generator], Lesson], reuse: int, seed: int, size: int, part: slice
    ) -> None:
        """``draw``: a new lesson of the rows ``part`` of a batch of ``size``."""
        self._draw, self._reuse, self._seed, self._size, self._part = draw, reuse, seed, size, part
        self._kept: list[tuple[torch.Tensor, ...]] = []
        self._most = 1

    def at(self, step: int, rng: np.random.Generator) -> Lesson:
        """The lesson of optimiser step ``step`` (0-based), whose generator is ``rng``."""
        if self._reuse == 1:
            return self._draw(rng)
        if step and not self._kept:
            self._again(step)
        if step % self._reuse == 0:
            self._kept = [*self._kept, self._new(rng)][-self._most :]
            return _lesson(self._kept[-1])
        return self._mixed(rng)

    def _again(self, step: int) -> None:
        for earlier in range((step - 1) // self._reuse * self._reuse, -1, -self._reuse):
            self._kept.insert(0, self._new(step_rng(self._seed, earlier)))
            if len(self._kept) == self._most:
                return

    def _new(self, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
        import torch

        lesson = self._draw(rng)
        assert lesson.output is not None
        given = [getattr(lesson.batch, each.name) for each in fields(Batch)]
        said = [tensor.to(torch.bfloat16) for tensor in (lesson.output, *lesson.features)]
        self._most = max(1, KEPT_BYTES // sum(tensor.nbytes for tensor in (*given, *said)))
        return (*given, *said)

    def _mixed(self, rng: np.random.Generator) -> Lesson:
        import torch

        chosen = rng.integers(len(self._kept), size=self._size)[self._part]
        columns = zip(*self._kept, strict=True)
        return _lesson(tuple(torch.stack([column[i][row] for row, i in enumerate(chosen)]) for column in columns))


def _lesson(tensors: tuple[torch.Tensor, ...]) -> Lesson:
    count = len(fields(Batch))
    output, *features = tensors[count:]
    return Lesson(Batch(*tensors[:count]), output, tuple(features))
