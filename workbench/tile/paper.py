"""EdgeFusion's measurements on an NPU: the figures that the model is compared with and that its rates are fitted to.

Source: EdgeFusion (arXiv 2404.11925), Table 6, "cross attention block" on an Exynos 2400: percent of the un-tiled time,
without and with model-level tiling. The paper gives neither the size of the attention, nor that of the scratchpad, nor
the number of tiles. Only SD-v1's largest self-attention explains the table (scores of cross-attention fit the
scratchpad head by head), so it is assumed. Throughput and scratchpad: summaries of the ISSCC talk on the same NPU.
"""

from __future__ import annotations

from collections.abc import Mapping

from workbench.tile.attentions import Attention

OPS: Mapping[str, str] = {
    "load_qk": "DMA load Q, K",
    "qk": "tensor Q·Kᵀ",
    "store_s_in": "DMA store S_in",
    "load_s_in": "DMA load S_in",
    "softmax": "vector softmax",
    "store_s_out": "DMA store S_out",
    "load_s_out_v": "DMA load S_out, V",
    "sv": "tensor S_out·V",
    "store_a": "DMA store A",
}
"""The operations of an attention in order, and their names in the table."""

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
