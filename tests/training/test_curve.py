"""A loss curve: what is averaged, what stays, how long it may be."""

from __future__ import annotations

import math

import pytest

from workbench.training.curve import binned, facts


def test_a_short_log_is_kept_as_it_is_without_the_learning_rate():
    rows = [{"step": 0, "lr": 0.1, "loss": 2.0, "task": 1.5}, {"step": 1, "lr": 0.1, "loss": 1.0, "task": 0.5}]
    assert binned(rows) == [(0, {"loss": 2.0, "task": 1.5}), (1, {"loss": 1.0, "task": 0.5})]


def test_a_long_log_becomes_means_of_equal_bins_with_the_rest_in_the_last():
    rows = [{"step": i, "loss": float(i)} for i in range(10)]
    assert binned(rows, points=3) == [(3, {"loss": 1.5}), (7, {"loss": 5.5}), (9, {"loss": 8.5})]


@pytest.mark.parametrize("n", [1, 199, 200, 201, 399, 400, 401, 12345])
def test_there_are_never_more_points_than_asked_for_and_the_last_step_is_among_them(n):
    curve = binned([{"step": i, "loss": 1.0} for i in range(n)])
    assert len(curve) <= 200
    assert curve[-1][0] == n - 1
    assert sum(terms["loss"] for _, terms in curve) == len(curve)


def test_a_term_that_begins_late_or_is_not_finite_is_averaged_where_it_is():
    rows = [{"step": 0, "loss": 1.0}, {"step": 1, "loss": 3.0, "feature": 4.0}, {"step": 2, "loss": math.inf}]
    assert binned(rows, points=2) == [(1, {"loss": 2.0, "feature": 4.0}), (2, {})]


def test_no_rows_are_no_curve_and_no_points_an_error():
    assert binned([]) == []
    with pytest.raises(ValueError, match="at least 1"):
        binned([{"loss": 1.0}], points=0)


def test_a_report_tells_how_the_loss_began_and_ended():
    told = facts([{"step": i, "lr": 1e-3, "loss": 40.0 - i} for i in range(40)])
    assert told["first_tenth"] == {"loss": 38.5}
    assert told["last_tenth"] == {"loss": 2.5}
    assert told["curve"][0] == [0, {"loss": 40.0}]
