"""Each layer against the machine's ceilings: which bound it sits under, and how much of it it reaches.

After the roofline model (Williams, Waterman, Patterson 2009, doi:10.1145/1498765.1498785). Its columns are estimated
and have a table of their own, beside the measured one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.measure.layers import OUTSIDE, UNMAPPED
from workbench.profile.summary import Ceilings
from workbench.runtimes.kernels import kernels_of

if TYPE_CHECKING:
    import pandas as pd

    from workbench.measure.kinds import Kernels

COLUMNS = ("component", "layer", "products", "bytes_moved", "intensity", "bound", "bound_ms", "bound_share")
"""``products``: MACs, those of attention included. ``bytes_moved``: weights, what is written, and as much again for
what is read (each value is written once and read about once). ``intensity``: MACs per byte. ``bound``: ``fp32``,
``int8`` or ``memory``, "" where nothing was counted or measured. ``bound_ms``: the least time under that ceiling.
``bound_share``: that ÷ the measured time; 1 is the ceiling."""
ESTIMATE = (
    "Bytes are estimated: weights as stored, values written, and as many read; against what ONNX Runtime reports, half "
    "of the layers are within 4 % and 80 % within −20…+30 %."
)


def roofline(table: pd.DataFrame, ceilings: Ceilings) -> pd.DataFrame:
    """The rows of a table of layers under the ceilings of the machine and runtime that it was measured on.

    Args:
        table: the columns of ``workbench.measure.layers.COLUMNS``, ``component`` included.
        ceilings: those of the machine.

    A layer's kernels count as 8-bit when its main operator is an integer one; products of attention still count as
    float then. Where this runtime has no 8-bit ceiling, that of floats is taken.
    """
    import pandas as pd

    kernels = kernels_of(ceilings["runtime"])
    rows = [_row(row, ceilings, kernels) for row in table.fillna(_EMPTY).to_dict("records")]
    return pd.DataFrame(rows, columns=list(COLUMNS))


_EMPTY: dict[str, Any] = {
    "macs": 0, "attention_macs": 0, "weight_bytes": 0, "activation_bytes": 0, "latency_ms": 0.0, "op": "", "scheme": "",
}  # fmt: skip


def _row(row: Mapping[str, Any], ceilings: Ceilings, kernels: Kernels) -> dict[str, Any]:
    macs, attention = float(row.get("macs", 0)), float(row.get("attention_macs", 0))
    moved = float(row.get("weight_bytes", 0)) + 2 * float(row.get("activation_bytes", 0))
    named = {"component": row.get("component", ""), "layer": row["layer"], "products": macs + attention}
    measured = float(row["latency_ms"])
    if row["layer"] in (OUTSIDE, UNMAPPED) or not moved or measured <= 0:
        return named | {"bytes_moved": moved, "intensity": None, "bound": "", "bound_ms": None, "bound_share": None}
    int8 = ceilings["int8"] if kernels.computes_integers(str(row["op"]), str(row["scheme"])) else None
    compute = {
        "int8": macs / int8["best"] / 1e6 if int8 else 0.0,
        "fp32": (attention if int8 else macs + attention) / ceilings["fp32"]["best"] / 1e6,
    }
    memory = moved / bandwidth(ceilings, moved / max(1.0, float(row.get("calls") or 1))) / 1e6
    bound = max(compute, key=lambda kind: compute[kind]) if sum(compute.values()) >= memory else "memory"
    bound_ms = max(sum(compute.values()), memory)
    return named | {
        "bytes_moved": moved,
        "intensity": (macs + attention) / moved,
        "bound": bound,
        "bound_ms": bound_ms,
        "bound_share": bound_ms / measured,
    }


def bandwidth(ceilings: Ceilings, moved: float) -> float:
    """GB/s that this machine was seen to reach when one operator moves ``moved`` bytes or more.

    For more than the largest probe moves: what the largest reached.
    """
    reached = [entry["best"] for entry in ceilings["memory"] if entry["bytes"] >= moved]
    return max(reached, default=ceilings["memory"][-1]["best"])


def summary(table: pd.DataFrame, lines: pd.DataFrame) -> dict[str, Any]:
    """Both tables in few numbers, per component: measured ms, ms under the bounds, and ms by bound.

    ``{component: {measured_ms, bound_ms, share, by_bound: {bound: {measured_ms, bound_ms, layers}}}}``; only layers
    that have a bound.
    """
    both = lines.assign(measured_ms=table["latency_ms"].to_numpy())
    both = both[both["bound"] != ""]
    shares: dict[str, Any] = {}
    for component, rows in both.groupby("component", sort=False):
        by_bound = {
            str(bound): {
                "measured_ms": float(part["measured_ms"].sum()),
                "bound_ms": float(part["bound_ms"].sum()),
                "layers": len(part),
            }
            for bound, part in rows.groupby("bound", sort=True)
        }
        measured, bound_ms = float(rows["measured_ms"].sum()), float(rows["bound_ms"].sum())
        shares[str(component)] = {
            "measured_ms": measured,
            "bound_ms": bound_ms,
            "share": bound_ms / measured,
            "by_bound": by_bound,
        }
    return shares
