"""The kinds of a runtime's kernels, for those who read a profile."""

from __future__ import annotations

from workbench.measure.kinds import Kernels, merged
from workbench.runtimes.base import RUNTIMES, all_described, described


def kernels_of(name: str | None) -> Kernels:
    """The kinds of a runtime's kernels; where it isn't known (a profile from elsewhere), all names together."""
    return described(name).kernels if name in RUNTIMES else merged([runtime.kernels for runtime in all_described()])
