"""Two networks measured interleaved, each loaded several times: the samples of ``compare``."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.comparing.layers import Batch
from workbench.comparing.ratio import LEAST_LOADS, Load, Ratio, of_loads
from workbench.measure.clock import abba_times, once_ms, warm_up

if TYPE_CHECKING:
    from workbench.measure.layers import Layers

MOST_LOADS = 16
LAYER_BATCHES, LAYER_PASSES, LAYER_WARMUP = 10, 12, 2
STEADY, LEAST_WARMUP = 0.05, 2

Call = Callable[[], object]


@dataclass(frozen=True)
class Plan:
    """When enough is measured: at least ``iterations`` passes and ``min_seconds`` of each network, then on until the
    interval is at most ``width`` to either side, 16 loads were made, or ``max_seconds`` have passed.

    Whether to go on hangs on the width of the interval alone and never on the ratio, so that stopping favours no
    outcome. Six loads of each are made whatever the time.
    """

    iterations: int = 32
    min_seconds: float = 1.0
    max_seconds: float = 120.0
    width: float = 0.015


@dataclass(frozen=True)
class Taken:
    """What was measured, what follows, why it ended (``interval``, ``loads`` or ``time``), and the seconds it took."""

    loads: tuple[Load, ...]
    ratio: Ratio
    ended: str
    seconds: float


def measure(
    load_a: Callable[[], Call], load_b: Callable[[], Call], plan: Plan, tick: Callable[[int], None] | None = None
) -> Taken:
    """Loads both networks in alternating order and times interleaved passes, until the plan is satisfied.

    Args:
        load_a: loads A; the returned function runs one pass and frees the network when it is released.
        load_b: loads B.
        plan: when it is enough.
        tick: called with the number of loads made.
    """
    start, order = time.monotonic(), random.Random(0)
    loads: list[Load] = []
    rounds: int | None = None
    while True:
        load, rounds = _one(load_a, load_b, len(loads) % 2 == 0, plan, rounds, order)
        loads.append(load)
        if tick:
            tick(len(loads))
        seconds = time.monotonic() - start
        if len(loads) % 2 or len(loads) < LEAST_LOADS:
            continue
        ratio = of_loads(loads)
        ended = "interval" if ratio.half_width <= plan.width else "loads" if len(loads) >= MOST_LOADS else ""
        ended = ended or ("time" if seconds >= plan.max_seconds else "")
        if ended:
            return Taken(tuple(loads), ratio, ended, seconds)


def batches(
    layers_a: Callable[[int, int], Layers],
    layers_b: Callable[[int, int], Layers],
    max_seconds: float,
    tick: Callable[[int], None] | None = None,
) -> tuple[list[Batch], dict[str, str]]:
    """Profiled passes of both networks, each batch in a separate load, A first and B first alternately.

    Also says which layers are computed in another layer's kernel, with the words for it.

    Args:
        layers_a: given warm-up and passes, makes the per-layer pass of A.
        layers_b: that of B.
        max_seconds: ends it early, though never before six batches of each.
        tick: called with the number of pairs of batches made.
    """
    start = time.monotonic()
    taken: list[Batch] = []
    fused: dict[str, str] = {}
    while len(taken) < LAYER_BATCHES:
        a_first = len(taken) % 2 == 0
        by_side: dict[str, Layers] = {}
        for side in ("A", "B") if a_first else ("B", "A"):
            by_side[side] = (layers_a if side == "A" else layers_b)(LAYER_WARMUP, LAYER_PASSES)
        taken.append(Batch(by_side["A"].samples, by_side["B"].samples, a_first))
        for side, layers in by_side.items():
            fused |= {name: f"in {side} computed in {into}" for name, into in _fused(layers).items()}
        if tick:
            tick(len(taken))
        if len(taken) >= LEAST_LOADS and len(taken) % 2 == 0 and time.monotonic() - start >= max_seconds:
            break
    return taken, fused


def _one(
    load_a: Callable[[], Call],
    load_b: Callable[[], Call],
    a_first: bool,
    plan: Plan,
    rounds: int | None,
    order: random.Random,
) -> tuple[Load, int]:
    """One load of each, and how many rounds it had; both are released at the end, to free memory for the next."""
    if a_first:
        a = load_a()
        b = load_b()
    else:
        b = load_b()
        a = load_a()
    for call in (a, b):
        warm_up(call, LEAST_WARMUP, STEADY)
    rounds = rounds or _rounds(plan, once_ms(a)[0] / 1e3, once_ms(b)[0] / 1e3)
    return Load(*abba_times(a, b, rounds, order), a_first=a_first), rounds


def _rounds(plan: Plan, *seconds: float) -> int:
    """Rounds per load, two passes of each network in one: decided once, before anything is known of the ratio."""
    passes = max(plan.iterations, plan.min_seconds / max(min(seconds), 1e-7)) / LEAST_LOADS
    return max(1, math.ceil(passes / 2))


def _fused(layers: Layers) -> Mapping[str, str]:
    return {row["layer"]: row["fused_into"] for row in layers.rows if row.get("fused_into")}
