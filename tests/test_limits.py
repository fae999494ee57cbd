"""A limit on memory changes how much is done at a time, and nothing where none is set."""

from __future__ import annotations

from workbench.limits import LIBRARIES, at_most, fitting


def test_as_many_as_fit_at_least_one_and_never_more_than_usual():
    assert fitting(16, 10**9) == 16
    with at_most(LIBRARIES + 5 * 10**9):
        assert fitting(16, 10**9) == 5 and fitting(2, 10**9) == 2
        assert fitting(16, 10**9, besides=3 * 10**9) == 2
        with at_most(1):
            assert fitting(16, 10**9) == 1
        assert fitting(16, 10**9) == 5
    assert fitting(16, 10**9) == 16
