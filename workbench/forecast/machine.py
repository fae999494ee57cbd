"""How fast this machine is at best: its ceilings where they were measured, else a short product of matrices."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from workbench.forecast.cost import Speed
from workbench.forecast.kept import kept
from workbench.profile.ceilings import known
from workbench.runtimes.base import DEFAULT
from workbench.store.environment import fingerprint
from workbench.store.processor import WIDE_SUMS, default_threads, features
from workbench.store.store import Store, key_of

SIDE, WIDE, TAKES_S = 768, 2048, 0.1
"""Of the stand-in's matrices, where products and where reading takes the time, and how long each is repeated."""
SATURATED = 2
"""Threads that use up the speed of memory."""
WIDER = 2.0
"""8-bit products to those in float32 where the processor sums them directly and nobody has measured them."""
CEILINGS, STAND_IN = "this machine's ceilings", "a product of matrices on this machine"


def machine() -> str:
    """What times are valid for: the processor, its features, memory, and the threads that work is given."""
    return key_of({**fingerprint(), "threads": default_threads()})


def speed(store: Store) -> Speed:
    """What this machine reaches; a stand-in is measured once (some 0.3 s) and kept where the store has results."""
    quick = Speed(**kept(store, {"speed of": machine()}, _stand_in))
    ceilings = known(DEFAULT, default_threads(), store) if (store.root / "results").is_dir() else None
    if ceilings is None:
        return quick
    memory = max((reached["bytes"], reached["best"]) for reached in ceilings["memory"])[1]
    int8 = ceilings["int8"]["best"] if ceilings["int8"] else ceilings["fp32"]["best"]
    return replace(quick, fp32=ceilings["fp32"]["best"], int8=int8, memory=memory, of=CEILINGS)


def busy() -> str:
    """What else this machine does, where that leaves less than half of its cores; forecasts are of an idle one."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    return f"load {load:.1f} on {cores} cores, and forecasts are of an idle machine" if load > cores / 2 else ""


def _stand_in() -> dict[str, Any]:
    """``Speed`` as JSON."""
    import torch

    threads, before = default_threads(), torch.get_num_threads()
    torch.set_num_threads(1)  # of several, each would wait for one whose core is busy with something else
    try:
        a, half = torch.ones(SIDE, SIDE), torch.ones(SIDE, SIDE, dtype=torch.bfloat16)
        row, large = torch.ones(1, WIDE), torch.ones(WIDE, WIDE)
        fp32 = threads * SIDE**3 / 1e9 / _best(lambda: a @ a)
        faster = threads * SIDE**3 / 1e9 / _best(lambda: half @ half)
        memory = min(threads, SATURATED) * large.nbytes / 1e9 / _best(lambda: row @ large)
    finally:
        torch.set_num_threads(before)
    int8 = fp32 * (WIDER if WIDE_SUMS & set(features()) else 1)
    return asdict(Speed(fp32, faster, int8, memory, STAND_IN))


def _best(call: Callable[[], object]) -> float:
    """Least seconds that this thread computes in a call, whatever else the processor does meanwhile."""
    call()
    taken: list[float] = []
    while sum(taken) < TAKES_S:
        start = time.thread_time()
        call()
        taken.append(max(time.thread_time() - start, 1e-6))
    return min(taken)
