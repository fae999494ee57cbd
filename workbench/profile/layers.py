"""The table of layers that every runtime fills, and what is said of it in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "component", "layer", "op", "scheme", "calls", "latency_ms", "latency_iqr_ms", "share", "macs", "params",
    "weight_bytes", "activation_bytes", "peak_bytes", "attention_macs", "element_ops",
)  # fmt: skip
"""Columns of a CSV. ``macs`` is convolution and linear; ``peak_bytes`` is estimated, all times are measured."""


@dataclass(frozen=True)
class Integer:
    """Shares (0…1) of MACs that integer kernels really computed: of convolutions and linears, and of all products.

    ``stored`` is the share of convolutions and linears whose operands the file holds as integers; where it is larger,
    the runtime dequantized them and computed in float.
    """

    layers: float = 0.0
    with_attention: float = 0.0
    stored: float = 0.0


@dataclass(frozen=True)
class Layers:
    """The per-layer pass of one component.

    ``table`` has the rows of ``COLUMNS`` without ``component``; ``kernel_ms`` and ``wall_ms`` are medians per pass with
    the runtime's profiling on; ``op_ms`` the median time per pass by kind of operator. None: this runtime doesn't tell.
    ``integer`` says how much is computed in integers.
    """

    table: pd.DataFrame
    wall_ms: float
    kernel_ms: float | None
    unmapped_share: float
    op_ms: Mapping[str, float]
    passes: int
    integer: Integer = Integer()


def with_shares(table: pd.DataFrame) -> pd.DataFrame:
    """``table`` with the column ``share``: each row's part of all rows' time; sums to 1."""
    total = table["latency_ms"].sum()
    return table.assign(share=table["latency_ms"] / total if total else 0.0)


def ordered(table: pd.DataFrame, component: str) -> pd.DataFrame:
    """``table`` as it goes to the CSV: all ``COLUMNS``, this component's name in front."""
    return table.assign(component=component).reindex(columns=list(COLUMNS))
