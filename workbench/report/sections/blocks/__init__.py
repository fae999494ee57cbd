"""Which blocks go: damage against gain of every block alone, and the search's sets beside BK-SDM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.report.data import RunData
from workbench.report.format import MISSING, big, known, number, span
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.blocks.figures import MEASURES, every_block, holds, sets
from workbench.report.sections.registry import Section

KEY = "block_search"
"""Where ``remove_blocks`` leaves what it measured, in its report."""


@dataclass(frozen=True)
class Damage:
    """What the U-Net's output and its pictures lose, as words."""

    error: str
    error_span: str
    sqnr: str
    psnr: str
    alignment: str
    alignment_span: str


@dataclass(frozen=True)
class Block:
    """A block alone; ``shortcut``: its own shortcut stays; ``bk``: BK-SDM's layouts that remove it."""

    block: str
    shortcut: bool
    params: str
    macs: str
    ms: str
    iqr: str
    bk: str
    chosen: bool
    damage: Damage


@dataclass(frozen=True)
class Blocks:
    """A set of blocks; ``left``: what the U-Net is left with, by measure."""

    name: str
    left: Mapping[str, str]
    damage: Damage


@dataclass(frozen=True)
class Search:
    """One search as words and figures (SVG); ``left_out``: what was not tried, and why."""

    candidate: str
    sentences: Sequence[str]
    how: str
    measure: str
    sets_figure: str | None
    blocks_figure: str | None
    sets: Sequence[Blocks]
    blocks: Sequence[Block]
    chosen: Sequence[str]
    left_out: str


def gather(run: RunData, ranking: Ranking) -> list[Search] | None:
    """One entry per candidate that a search made."""
    made = [(c.name, c.report[KEY]) for c in run.candidates if c.report.get(KEY)]
    return [_search(name, searched) for name, searched in made] or None


def _search(name: str, searched: Mapping[str, Any]) -> Search:
    left_out = [
        f"{row.get('block') or row['layout']} ({row['why']})"
        for row in [*searched["left_out"], *searched["bk_left_out"]]
    ]
    return Search(
        candidate=name,
        sentences=sentences(searched),
        how=_how(searched),
        measure=MEASURES[searched["budget"]["measure"]],
        sets_figure=sets(searched, name),
        blocks_figure=every_block(searched, name),
        sets=_sets(searched),
        blocks=_blocks(searched),
        chosen=searched["chosen"]["dropped"],
        left_out="; ".join(left_out),
    )


def sentences(searched: Mapping[str, Any]) -> list[str]:
    """What the search found, and where BK-SDM's choices stand in it."""
    measure, chosen = searched["budget"]["measure"], searched["chosen"]
    what = MEASURES[measure]
    lines = [
        f"Asked for at most {_share(searched['budget']['share'])} of the {what}; chosen: the set that leaves "
        f"{_share(chosen['left'][measure])} with an error of {_error(chosen)} ({_found_by(chosen['found_by'])})."
    ]
    for row in searched["bk"]:
        as_few = [t["error"] for t in searched["tried"] if t["left"][measure] <= row["left"][measure] + 1e-9]
        standing = (
            "no measured set with as few has less"
            if min(as_few) >= row["error"]["value"]
            else f"the best measured set with as few has {number(min(as_few))}"
        )
        lines.append(
            f"{row['layout']} leaves {_share(row['left'][measure])} with {_error(row)}: {standing}. "
            f"{_alone(searched['blocks'], row['layout'])}".strip()
        )
    return lines


def _alone(blocks: Sequence[Mapping[str, Any]], layout: str) -> str:
    """How many of the blocks that a layout removes are among as many least damaging ones."""
    ranked = sorted(blocks, key=lambda row: row["error"]["value"])
    own = sum(layout in row["bk"] for row in blocks)
    hits = sum(layout in row["bk"] for row in ranked[:own])
    return f"Of the {own} blocks that {layout} removes, {hits} are among the {own} that do least damage alone." * bool(
        own
    )


def _found_by(word: str) -> str:
    return f"the layout {word} itself" if word.startswith("bk-") else word


def _how(searched: Mapping[str, Any]) -> str:
    steps, times = searched["steps"], len(searched["timesteps"])
    inputs = searched["prompts"] * times
    return (
        f"Error: squared difference of the U-Net's output to its parent's, as a share of the output's power, mean over "
        f"{inputs} inputs of the parent's own denoising ({searched['prompts']} prompts at {times} timesteps), with a "
        f"95 % interval. Pictures: {searched['pictures']} of the same seeds, {steps} steps, guidance "
        f"{searched['guidance_scale']:g}. MACs with attention's products, counted; time measured: kernel time of one "
        f"profiled ONNX Runtime pass, sum of the medians of a block's layers, n = {searched['parent']['ms']['n']}. "
        f"Seed {searched['seed']}. Method: {searched['method']}. Training afterwards changes the order."
    )


def _share(value: Any) -> str:
    return f"{value * 100:.1f} %" if known(value) else MISSING


def _error(row: Mapping[str, Any]) -> str:
    return number(row["error"]["value"])


def _damage(row: Mapping[str, Any]) -> Damage:
    """Of a block or a set."""
    alignment = row.get("alignment")
    return Damage(
        error=_error(row),
        error_span=span(row["error"]),
        sqnr=", ".join(f"{value:.1f}" for value in row["sqnr_db"].values()),
        psnr=number((row.get("psnr_db") or {}).get("value")),
        alignment=number(alignment and alignment["value"]),
        alignment_span=span(alignment),
    )


def _blocks(searched: Mapping[str, Any]) -> list[Block]:
    """The least damaging first."""
    return [
        Block(
            block=row["block"],
            shortcut=row["shortcut_stays"],
            params=big(row["params"]),
            macs=big(row["macs"]),
            ms=number(row["ms"]["value"]),
            iqr=number(row["ms"]["iqr"]),
            bk=", ".join(name.removeprefix("bk-") for name in row["bk"]),
            chosen=holds(searched["chosen"]["dropped"], row["block"]),
            damage=_damage(row),
        )
        for row in sorted(searched["blocks"], key=lambda row: row["error"]["value"])
    ]


def _sets(searched: Mapping[str, Any]) -> list[Blocks]:
    """The search's choices one after another, BK-SDM's layouts, and the chosen set."""
    rows = [(f"+ {row['unit']}", row) for row in searched["path"]]
    rows += [(row["layout"], row) for row in searched["bk"]]
    rows.append(("chosen", searched["chosen"]))
    return [Blocks(name, {m: _share(row["left"].get(m)) for m in MEASURES}, _damage(row)) for name, row in rows]


SECTION = Section(__name__, "Which blocks go", 100, gather, draws=(KEY,))
