"""EdgeFusion's measurements on an NPU: the figures that the model is compared with, and the machine fitted to them.

Source: EdgeFusion (arXiv 2404.11925), Table 6, "cross attention block" on an Exynos 2400: percent of the un-tiled time,
without and with model-level tiling. The paper gives neither the size of the attention, nor that of the scratchpad, nor
the number of tiles. Only SD-v1's largest self-attention explains the table (scores of cross-attention fit the
scratchpad head by head), so it is assumed. Throughput and scratchpad: summaries of the ISSCC talk on the same NPU.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from workbench.tile.attentions import Attention
from workbench.tile.machine import Machine
from workbench.tile.model import least_tiles

TABLE_6: Mapping[str, tuple[float, float | None]] = {
    "load_qk": (0.6, 0.6),
    "qk": (6.9, 7.2),
    "store_s_in": (19.1, None),
    "load_s_in": (18.2, None),
    "softmax": (11.0, 11.6),
    "store_s_out": (18.5, None),
    "load_s_out_v": (19.5, 0.8),  # tiled: V alone
    "sv": (5.4, 5.7),
    "store_a": (0.7, 0.7),
}
"""Operation to percent of the un-tiled time, without and with model-level tiling; None: not needed."""

BLOCK = Attention("", "self", heads=8, queries=4096, keys=4096, head_dim=40, value_dim=40)
"""The attention that the table is assumed to describe: SD-v1's largest, latents of 64×64."""
BLOCK_BYTES = 2
"""Bytes of one of its values (W8A16: 16-bit activations)."""

SRAM = 6_000_000
"""Bytes of the NPU's scratchpad ("6 MB", NPUMEM)."""
UNETS_PER_S, UNET_MACS = 8.3, 401.6e9
"""SD U-Nets a second, and the multiply-accumulates of one, attention's products included (counted)."""


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
