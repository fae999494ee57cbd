"""Traffic and time of an attention on the modelled machine: un-tiled, in tiles of rows, and as one fused operator.

Everything here is modelled, nothing is measured, on the ``ASSUMPTIONS`` below. The operations are those of
EdgeFusion's Table 6. The fused operator is FlashAttention's (Dao et al. 2022, arXiv 2205.14135): scores exist only in
blocks, the softmax is corrected block by block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from workbench.tile.attentions import Attention
from workbench.tile.machine import Machine
from workbench.tile.plans import UNCUT, Plan, Split

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
"""The operations of an attention in order, and their names in EdgeFusion's table."""
Engine = Literal["dma", "tensor", "vector"]
ENGINES: Mapping[str, Engine] = {
    op: "vector" if op == "softmax" else "tensor" if op in ("qk", "sv") else "dma" for op in OPS
}
FUSED_KEYS = 128
"""Keys in a block of the fused operator."""
ACCUMULATOR = 4
"""Bytes of a sum that the fused operator carries from block to block."""

ASSUMPTIONS = (
    "Modelled, not measured. Batch 1, one pass of the network, attentions only (the linear layers around them are left "
    "out).",
    "Operators run one after another, and transfers don't overlap with computing (un-tiled and tiled): the shares of "
    "EdgeFusion's Table 6 add up to 100 % of the time.",
    "Un-tiled, an operator takes all heads at once. Where q, k, v, S_in and S_out of all heads fit the scratchpad "
    "together, scores stay there; else every complete score matrix goes to memory and back.",
    "Tiled, rows of queries are in tiles, k and v stay while the tiles run, a tile of the result replaces "
    "its queries, and every tile costs each operator a hand-over.",
    "Without --tiles, heads run one after another, each in the fewest tiles that fit; where hand-overs cost more than "
    "the traffic, there are no tiles. Where not even one row fits beside a head's k and v, nothing else is tried.",
    "With --tiles, a tile has its rows of all heads at once, beside k and v of all heads, and is used even where it "
    "costs more; tiles that don't fit are modelled as un-tiled.",
    f"Fused, blocks of {FUSED_KEYS} keys, sums in {ACCUMULATOR} bytes, the three engines overlap fully: its time is a "
    "lower bound.",
    "The whole scratchpad is free for the attention; padding, alignment and the operators' own buffers are left "
    "out. The rates don't depend on the number format or on a matrix's shape.",
    "Scratchpad of 6 MB: ISSCC summaries of the Exynos 2400's NPU. Multiply-accumulates: 8.3 SD U-Nets of 401.6 GMAC a "
    "second, from the same; absolute times depend on it alone, shares don't.",
    "Fitted, once, to EdgeFusion's Table 6: bandwidth (mean of the four transfers of scores), vector rate (un-tiled "
    "softmax), scale of the table (mean of the two un-tiled products), hand-over (the three tiled minus un-tiled "
    "operators, at our number of tiles; the paper's isn't known).",
    "Predicted: q, k, v and A's transfers, the tiled column's sum, every other attention, every other size of "
    "scratchpad, everything fused.",
    "The table is assumed to describe SD-v1's largest self-attention with 2-byte values, which the paper calls a "
    "cross-attention block; no cross-attention has the traffic to explain it.",
)


@dataclass(frozen=True)
class Sizes:
    """Bytes of one head's matrices; ``s`` is the score matrix, before the softmax (S_in) or after it (S_out)."""

    q: int
    k: int
    v: int
    s: int
    a: int

    @property
    def needed(self) -> int:
        """Bytes of one head when nothing leaves the scratchpad; the result replaces its queries."""
        return max(self.q, self.a) + self.k + self.v + 2 * self.s


@dataclass(frozen=True)
class Step:
    """One operation over all heads: bytes to or from memory, and seconds of its engine."""

    op: str
    bytes: int
    seconds: float

    @property
    def engine(self) -> Engine:
        """The engine that executes it."""
        return ENGINES[self.op]


@dataclass(frozen=True)
class Variant:
    """An attention computed in ``tiles`` of rows (1: all rows), ``by_head`` or of all heads at once, in ``seconds``."""

    name: Literal["untiled", "tiled", "fused"]
    tiles: int
    steps: tuple[Step, ...]
    seconds: float
    by_head: bool = False

    @property
    def traffic(self) -> int:
        """Bytes to and from memory."""
        return sum(step.bytes for step in self.steps)


@dataclass(frozen=True)
class Modelled:
    """An attention on a machine.

    ``fits``: ``all heads`` at once, ``one head`` at a time, ``tiles`` of rows only, or ``no`` where not even one row
    fits. ``tiles`` per head, None where no number is enough; ``score_tiles`` the same for S_in and S_out alone.
    ``split``: how it is cut, None where it isn't; ``split_fits``: whether its tiles fit, else ``tiled`` is as un-tiled.
    """

    attention: Attention
    sizes: Sizes
    fits: Literal["all heads", "one head", "tiles", "no"]
    tiles: int | None
    score_tiles: int | None
    split: Split | None
    split_fits: bool
    variants: Mapping[str, Variant]

    @property
    def score_share(self) -> float:
        """Share of the un-tiled time in which scores go to memory and back (without v)."""
        untiled = self.variants["untiled"]
        steps = {step.op: step for step in untiled.steps}
        last = steps["load_s_out_v"]
        scores = last.seconds * (1 - self.attention.heads * self.sizes.v / last.bytes)
        scores += sum(steps[op].seconds for op in ("store_s_in", "load_s_in", "store_s_out"))
        return scores / untiled.seconds


def sizes_of(attention: Attention, width: int) -> Sizes:
    """Bytes of one head's matrices at ``width`` bytes a value."""
    a = attention
    return Sizes(
        q=a.queries * a.head_dim * width,
        k=a.keys * a.head_dim * width,
        v=a.keys * a.value_dim * width,
        s=a.scores * width,
        a=a.queries * a.value_dim * width,
    )


def least_tiles(attention: Attention, width: int, sram: int, heads: int = 1) -> int | None:
    """Fewest tiles of rows in which q, S_in and S_out of ``heads`` heads at once fit beside their k and v.

    None where not even one row does.
    """
    sizes = sizes_of(attention, width)
    # One head's row of q, or of the result that replaces it, and of S_in and S_out.
    row = (max(attention.head_dim, attention.value_dim) + 2 * attention.keys) * width
    return _tiles(attention.queries, heads * row, sram - heads * (sizes.k + sizes.v))


def least_score_tiles(attention: Attention, width: int, sram: int) -> int | None:
    """Fewest tiles of rows in which a head's S_in and S_out fit, without anything else."""
    return _tiles(attention.queries, 2 * attention.keys * width, sram)


def _tiles(rows: int, row: int, free: int) -> int | None:
    at_once = free // row
    return -(-rows // at_once) if at_once >= 1 else None


def model(attention: Attention, width: int, on: Machine, split: Split | None = None) -> Modelled:
    """The attention on a machine, with values of ``width`` bytes, cut by ``split`` or, without one, as is best.

    Best is head by head in the fewest tiles that fit, where that saves time. Tiles of a given ``split`` that don't fit
    are modelled as un-tiled.
    """
    sizes = sizes_of(attention, width)
    least = least_tiles(attention, width, on.sram)
    all_fit = attention.heads * sizes.needed <= on.sram
    fits: Literal["all heads", "one head", "tiles", "no"]
    fits = "all heads" if all_fit else "no" if least is None else "one head" if least == 1 else "tiles"
    untiled = _serial("untiled", attention, sizes, on, in_sram=all_fit)
    tiled = Variant("tiled", 1, untiled.steps, untiled.seconds)
    if split is not None:
        split = split.least(attention.queries) if split.passes(attention.heads) > 1 else None
    elif not all_fit and least is not None:
        best = Split(least, by_head=attention.heads > 1)
        saves = _serial("tiled", attention, sizes, on, in_sram=True, split=best).seconds < untiled.seconds
        split = best if saves else None
    split_fits = split is None
    if split is not None:
        needed = least_tiles(attention, width, on.sram, 1 if split.by_head else attention.heads)
        split_fits = needed is not None and split.tiles >= needed
        tiled = _serial("tiled", attention, sizes, on, in_sram=True, split=split) if split_fits else tiled
    fused = _fused(attention, sizes, width, on)
    variants: dict[str, Variant] = {variant.name: variant for variant in (untiled, tiled, fused)}
    score_tiles = least_score_tiles(attention, width, on.sram)
    return Modelled(attention, sizes, fits, least, score_tiles, split, split_fits, variants)


def best_on(on: Machine, width: int) -> Plan:
    """The model's plan for a machine with values of ``width`` bytes: head by head in the fewest tiles that fit, where
    that saves time."""
    return lambda attention: model(attention, width, on).split


def _serial(
    name: Literal["untiled", "tiled"],
    attention: Attention,
    sizes: Sizes,
    on: Machine,
    in_sram: bool,
    split: Split = UNCUT,
) -> Variant:
    """One operation after another; each tile costs every operator a hand-over, an uncut attention none."""
    heads, passes = attention.heads, split.passes(attention.heads)
    handovers = passes * on.handover_s if passes > 1 else 0.0
    scores = 0 if in_sram else heads * sizes.s
    moved = {
        "load_qk": heads * (sizes.q + sizes.k),
        "store_s_in": scores,
        "load_s_in": scores,
        "store_s_out": scores,
        "load_s_out_v": scores + heads * sizes.v,
        "store_a": heads * sizes.a,
    }
    products = heads * attention.scores
    computed = {
        "qk": products * attention.head_dim / on.macs_per_s + handovers,
        "softmax": products / on.vector_per_s + handovers,
        "sv": products * attention.value_dim / on.macs_per_s + handovers,
    }
    steps = tuple(
        Step(op, moved[op], moved[op] / on.bandwidth) if op in moved else Step(op, 0, computed[op]) for op in OPS
    )
    return Variant(name, split.tiles, steps, sum(step.seconds for step in steps), split.by_head)


def _fused(attention: Attention, sizes: Sizes, width: int, on: Machine) -> Variant:
    """Blocks of queries against blocks of keys, with k and v of a head resident where that leaves room for a row."""
    a = attention
    block = min(FUSED_KEYS, a.keys)
    row = (a.head_dim + block) * width + a.value_dim * ACCUMULATOR
    resident = _tiles(a.queries, row, on.sram - sizes.k - sizes.v)
    streamed = _tiles(a.queries, row, on.sram - 2 * block * (a.head_dim + a.value_dim) * width)
    # Where not even a row fits, one row at a time is the upper bound of the traffic.
    tiles, times = (resident, 1) if resident is not None else (streamed or a.queries, streamed or a.queries)
    moved = {
        "load_qk": a.heads * (sizes.q + times * sizes.k),
        "load_s_out_v": a.heads * times * sizes.v,
        "store_a": a.heads * sizes.a,
    }
    corrected = a.queries * a.value_dim * (-(-a.keys // block) - 1)
    computed = {
        "qk": a.heads * a.scores * a.head_dim / on.macs_per_s,
        "softmax": a.heads * (a.scores + corrected) / on.vector_per_s,
        "sv": a.heads * a.scores * a.value_dim / on.macs_per_s,
    }
    steps = tuple(Step(op, moved.get(op, 0), computed.get(op, moved.get(op, 0) / on.bandwidth)) for op in OPS)
    engines = {engine: sum(s.seconds for s in steps if s.engine == engine) for engine in ("dma", "tensor", "vector")}
    return Variant("fused", tiles, steps, max(engines.values()), by_head=a.heads > 1)
