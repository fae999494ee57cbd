"""How attentions are cut: tiles of rows, of all heads at once or head by head, and a plan for a whole network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workbench.tile.attentions import Attention


@dataclass(frozen=True)
class Split:
    """An attention in ``tiles`` of rows: of all heads at once, or with ``by_head`` of each head separately."""

    tiles: int
    by_head: bool = False

    def rows(self, queries: int) -> int:
        """Rows of the largest tile."""
        return -(-queries // self.tiles)

    def least(self, queries: int) -> Split:
        """The fewest tiles with as many rows each: 10 rows in 7 tiles are 2 rows a tile, so 5 tiles are enough."""
        return Split(-(-queries // self.rows(queries)), self.by_head)

    def passes(self, heads: int) -> int:
        """The number of tiles that run one after another."""
        return self.tiles * (heads if self.by_head else 1)


UNCUT = Split(1)

Plan = Callable[[Attention], Split | None]
"""How to cut an attention; None: not at all."""


def evenly(tiles: int, attentions: Sequence[Attention]) -> Plan:
    """``tiles`` of all heads for the attention with the most scores; tiles of others have at most as many scores.

    Smaller tiles elsewhere would cost time without lowering the peak. No tile has less than a row, and there are only
    as many tiles as needed (see ``Split.least``).
    """
    largest = max(attentions, key=_scores, default=None)
    most = 0 if largest is None else largest.heads * largest.keys * Split(tiles).rows(largest.queries)

    def plan(attention: Attention) -> Split | None:
        rows = max(1, most // (attention.heads * attention.keys))
        split = Split(-(-attention.queries // rows))
        return split.least(attention.queries) if split.tiles > 1 else None

    return plan


def fewer(tiles: int, attentions: Sequence[Attention]) -> str | None:
    """Why ``evenly`` cuts the largest attention into fewer than ``tiles`` tiles; None if it doesn't."""
    largest = max(attentions, key=_scores, default=None)
    if largest is None:
        return None
    rows = largest.queries
    least = Split(tiles).least(rows)
    if least.tiles == tiles:
        return None
    cut = f"{counted(least.tiles, 'tile')} of {counted(least.rows(rows), 'row')}, not {tiles}"
    why = f"it has {counted(rows, 'row')}" if tiles > rows else f"{rows} rows need no more of that size"
    return f"{largest.layer}: {cut}: {why}"


def counted(number: int, what: str) -> str:
    """``1 tile``, ``5 tiles``."""
    return f"{number} {what}" + ("s" if number != 1 else "")


def _scores(attention: Attention) -> int:
    return attention.heads * attention.scores
