"""The machine that EdgeFusion's Table 6 describes: its rates, derived once from the ratios in the table."""

from __future__ import annotations

import dataclasses
from typing import Any

from workbench.tile.machine import Machine
from workbench.tile.model import least_tiles
from workbench.tile.paper import BLOCK, BLOCK_BYTES, SRAM, TABLE_6, UNET_MACS, UNETS_PER_S


def fitted(sram: int = SRAM) -> Machine:
    """An Exynos 2400's NPU as far as EdgeFusion's Table 6 describes it; ``sram`` can be another's.

    The multiply-accumulate rate is that of entire SD U-Nets a second. Fitted, once, to entries of the table: bandwidth
    to the mean of the four transfers of scores, vector rate to the un-tiled softmax, the hand-over to the three
    differences between tiled and un-tiled operators.
    """
    macs_per_s = UNETS_PER_S * UNET_MACS
    untiled = {op: share for op, (share, _) in TABLE_6.items()}
    percent_s = BLOCK.macs / macs_per_s / (untiled["qk"] + untiled["sv"])  # seconds of one percent of the column
    scores = BLOCK.heads * BLOCK.scores
    values = BLOCK.heads * BLOCK.keys * BLOCK.value_dim
    moved = (4 * scores + values) * BLOCK_BYTES
    transfers = sum(untiled[op] for op in ("store_s_in", "load_s_in", "store_s_out", "load_s_out_v"))
    slower = sum((TABLE_6[op][1] or 0) - untiled[op] for op in ("qk", "softmax", "sv"))
    tiles = BLOCK.heads * (least_tiles(BLOCK, BLOCK_BYTES, SRAM) or 1)
    return Machine(
        sram=sram,
        bandwidth=moved / (transfers * percent_s),
        macs_per_s=macs_per_s,
        vector_per_s=scores / (untiled["softmax"] * percent_s),
        handover_s=slower * percent_s / (3 * tiles),
    )


def machine(
    sram: int, bandwidth: float | None = None, macs_per_s: float | None = None, vector_per_s: float | None = None
) -> Machine:
    """The fitted machine with the rates that aren't None replaced."""
    rates: dict[str, Any] = {"bandwidth": bandwidth, "macs_per_s": macs_per_s, "vector_per_s": vector_per_s}
    return dataclasses.replace(fitted(sram), **{name: rate for name, rate in rates.items() if rate is not None})
