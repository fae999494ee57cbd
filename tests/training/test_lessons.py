"""A teacher's answers, used again: which rows a step sees, what stays in memory, and the same after a kill."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from workbench.training import lessons
from workbench.training.batches import Batch
from workbench.training.lessons import Lesson, Lessons
from workbench.training.loop import step_rng

ROWS = 4


@pytest.fixture
def asked() -> list[float]:
    return []


@pytest.fixture
def draw(asked: list[float]) -> Callable[[np.random.Generator], Lesson]:
    """Batches whose every tensor tells its draw and its row: draw + row / 4, which bfloat16 can say."""

    def made(rng: np.random.Generator) -> Lesson:
        asked.append(float(rng.integers(1, 63)))
        rows = asked[-1] + torch.arange(ROWS) / 4
        return Lesson(
            Batch(*(rows[:, None].clone() for _ in range(4))), rows[:, None].clone(), (rows[:, None].clone(),)
        )

    return made


def _seen(given: Lesson) -> list[float]:
    """What the rows tell; that all tensors of a row tell the same."""
    columns = [given.batch.noisy, given.batch.target, given.output.float(), given.features[0].float()]
    assert all(torch.equal(columns[0], other) for other in columns[1:])
    return columns[0][:, 0].tolist()


def test_the_teacher_is_asked_in_every_reuse_th_step_and_rows_keep_their_places(draw, asked):
    made = Lessons(draw, 3, 7, ROWS, slice(ROWS))
    steps = [_seen(made.at(step, step_rng(7, step))) for step in range(30)]
    assert len(asked) == 10
    for step, rows in enumerate(steps):
        assert [row % 1 for row in rows] == [0, 0.25, 0.5, 0.75]
        assert {row // 1 for row in rows} <= set(asked[: step // 3 + 1])
        if step % 3 == 0:
            assert {row // 1 for row in rows} == {asked[step // 3]}
    assert any(len({row // 1 for row in rows}) > 2 for rows in steps[15:])


def test_without_reuse_every_step_is_new_and_nothing_is_rounded(draw, asked):
    made = Lessons(draw, 1, 7, ROWS, slice(ROWS))
    given = [made.at(step, step_rng(7, step)) for step in range(5)]
    assert len(asked) == 5 and all(each.output.dtype == torch.float32 for each in given)


@pytest.mark.parametrize("start", [1, 6, 7, 29])
def test_from_a_checkpoint_the_lessons_are_those_of_a_run_that_was_not_cut_off(draw, start, monkeypatch):
    monkeypatch.setattr(lessons, "KEPT_BYTES", 5 * ROWS * (4 * 4 + 2 * 2))
    whole, again = (Lessons(draw, 3, 7, ROWS, slice(ROWS)) for _ in range(2))
    expected = [_seen(whole.at(step, step_rng(7, step))) for step in range(40)]
    assert [_seen(again.at(step, step_rng(7, step))) for step in range(start, 40)] == expected[start:]


def test_no_more_is_kept_than_memory_allows(draw, asked, monkeypatch):
    monkeypatch.setattr(lessons, "KEPT_BYTES", 2 * ROWS * (4 * 4 + 2 * 2))
    made = Lessons(draw, 2, 7, ROWS, slice(ROWS))
    for step in range(40):
        seen = {row // 1 for row in _seen(made.at(step, step_rng(7, step)))}
        assert seen <= set(asked[-2:])


def test_processes_that_share_a_batch_see_its_rows_together(draw):
    def part(rows: slice) -> Lessons:
        def own(rng: np.random.Generator) -> Lesson:
            whole = draw(rng)
            tensors = (whole.batch.noisy, whole.batch.timesteps, whole.batch.states, whole.batch.target)
            return Lesson(Batch(*(t[rows] for t in tensors)), whole.output[rows], (whole.features[0][rows],))

        return Lessons(own, 3, 7, ROWS, rows)

    alone, first, second = part(slice(ROWS)), part(slice(0, 2)), part(slice(2, 4))
    for step in range(12):
        one, *both = (_seen(each.at(step, step_rng(7, step))) for each in (alone, first, second))
        assert one == [*both[0], *both[1]]
