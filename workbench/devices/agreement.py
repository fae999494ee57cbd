"""Whether a device computes what the host computes: its outputs against the host's on the same inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from workbench.measure.network import Network

if TYPE_CHECKING:
    import numpy as np

AGREE_DB = {"fp32": 60.0, "fp16": 30.0}
"""Least SQNR in dB by scheme: rounding in another order leaves far more."""
QUANTIZED_DB, FLOOR_DB = 20.0, 10.0
"""Least SQNR of a quantized network, and the least that is ever accepted of one."""
ROOM_DB = 6.0
"""How far below the host's own spread a quantized network may lie."""


class Agreement(TypedDict):
    """Of the output that agrees least; decibels are None where outputs were ``wrong``.

    ``host_spread_db``: None where it wasn't needed. ``wrong``: an output of another shape or with values that aren't
    finite, in words.
    """

    sqnr_db: float | None
    max_abs_error: float | None
    least_db: float | None
    host_spread_db: float | None
    agrees: bool
    wrong: str | None


def agreement(network: Network, device: Mapping[str, np.ndarray]) -> Agreement:
    """How far a device's outputs (by name) are from the host's; ``agrees`` decides whether its times count.

    Rounding in another order changes a quantized network's integers, so the host disagrees with itself when it
    optimizes the graph otherwise: that SQNR, ``host_spread_db``, is looked at where a quantized network stays below
    ``QUANTIZED_DB``, and ``ROOM_DB`` below it is accepted, but never less than ``FLOOR_DB``. Outputs that aren't
    floating-point are left out: an argmax can fall otherwise where two values are almost equal.
    """
    import numpy as np

    from workbench.runtimes.onnxruntime.session import session

    assert network.file is not None
    feed, names = dict(network.feed), list(device)
    host = dict(zip(names, session(network.file).run(names, feed), strict=True))
    for name in names:
        if host[name].shape != device[name].shape:
            return _wrong(f"output {name} has shape {list(device[name].shape)}, the host's is {list(host[name].shape)}")
        if np.isfinite(host[name].astype(np.float64)).all() and not np.isfinite(device[name].astype(np.float64)).all():
            return _wrong(f"output {name} isn't finite; the host's is")
    sqnr, error = _distance(host, device)
    spread = None
    if sqnr < QUANTIZED_DB and network.scheme not in AGREE_DB:
        otherwise = session(network.file, optimization="basic").run(names, feed)
        spread, _ = _distance(host, dict(zip(names, otherwise, strict=True)))
    least = least_db(network.scheme, spread)
    return {
        "sqnr_db": sqnr,
        "max_abs_error": error,
        "least_db": least,
        "host_spread_db": spread,
        "agrees": sqnr >= least,
        "wrong": None,
    }


def least_db(scheme: str, spread_db: float | None) -> float:
    """The least SQNR that counts as agreement; ``spread_db`` of the host against itself, where it was looked at."""
    least = AGREE_DB.get(scheme, QUANTIZED_DB)
    if scheme in AGREE_DB or spread_db is None:
        return least
    return max(FLOOR_DB, min(least, spread_db - ROOM_DB))


def _distance(host: Mapping[str, np.ndarray], device: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Of the output that agrees least: SQNR in dB (200: equal), and the largest error of all."""
    import numpy as np

    from workbench.measure.sqnr import sqnr_db

    worst, error = 200.0, 0.0
    for name, mine in host.items():
        if np.issubdtype(mine.dtype, np.floating):
            worst = min(worst, sqnr_db(mine, device[name]))
            error = max(error, float(np.abs(mine.astype(np.float64) - device[name]).max(initial=0.0)))
    return worst, error


def _wrong(what: str) -> Agreement:
    return {
        "sqnr_db": None,
        "max_abs_error": None,
        "least_db": None,
        "host_spread_db": None,
        "agrees": False,
        "wrong": what,
    }
