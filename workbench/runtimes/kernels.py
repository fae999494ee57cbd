"""The kinds of a runtime's kernels, for those who read a profile."""

from __future__ import annotations

from workbench.measure.kinds import Kernels, together
from workbench.runtimes.base import RUNTIMES, all_described, described


def kernels_of(name: str | None) -> Kernels:
    """The kinds of a runtime's kernels; where it isn't known (a profile from elsewhere), all names together."""
    return described(name).kernels if name in RUNTIMES else together(one.kernels for one in all_described())
