"""What ``workbench tile`` found, printed for a terminal or as JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.terminal import table
from workbench.tile.attentions import Attention
from workbench.tile.model import ASSUMPTIONS, OPS, Modelled, least_tiles
from workbench.tile.paper import BLOCK, BLOCK_BYTES, TABLE_6
from workbench.tile.plans import Split, counted
from workbench.verbs.tile.tile import WIDTHS, TileReport

if TYPE_CHECKING:
    from workbench.tile.onnx_tiling import Tiled

SCHEMA_VERSION = 1
WAYS = ("untiled", "tiled", "fused")


def as_json(report: TileReport) -> dict[str, Any]:
    """All of it; every figure but shapes and sizes is ``modelled``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "modelled",
        "source": report.settings.request.source,
        "candidate": report.network.candidate,
        "component": report.network.component,
        "dtype": report.settings.dtype,
        "machine": {**dataclasses.asdict(report.settings.machine), "rates": _rates(report)},
        "assumptions": list(ASSUMPTIONS),
        "attentions": [_described(one) for one in report.modelled],
        "left_out": dict(report.left_out),
        "total": {way: _total(report, way) for way in WAYS},
        "largest": {
            "layer": report.largest.attention.layer,
            "score_share": report.largest.score_share,
            "percent_of_untiled": {way: _percent(report.largest, way) for way in WAYS},
            "paper": _paper() if _is_paper(report) else None,
        },
        "tiles_asked": report.settings.tiles,
        "fewer_tiles": report.fewer_tiles,
        "written": _written(report),
    }


def show(report: TileReport) -> None:
    """Prints the attentions, the largest one beside the paper's, what was written, and the assumptions."""
    machine = report.settings.machine
    print(
        f"{report.network.label}, modelled on {machine.sram / 1e6:g} MB of scratchpad at {report.settings.dtype}: "
        f"memory {machine.bandwidth / 1e9:.3g} GB/s, {machine.macs_per_s / 1e12:.3g} TMAC/s, softmax "
        f"{machine.vector_per_s / 1e9:.3g} G elements/s, {machine.handover_s * 1e6:.3g} µs a hand-over "
        f"({_rates(report)})\n",
    )
    tiles = "tiles of all heads" if report.settings.tiles else "tiles/head"
    table((*ATTENTIONS, tiles, *COSTS), _attention_rows(report), left=("attention", "×", "kind"))
    totals = ", ".join(
        f"{way} {_total(report, way)['seconds'] * 1e3:.2f} ms, {_total(report, way)['bytes'] / 1e6:.0f} MB"
        for way in WAYS
    )
    print(f"\nall attentions of one pass, modelled: {totals}")
    for node, why in report.left_out.items():
        print(f"not modelled: {node}: {why}")
    if report.fewer_tiles:
        print(f"tiles: {report.fewer_tiles}")
    for why in _not_fitting(report):
        print(why)
    _show_largest(report)
    if report.tiled is not None:
        _show_written(report, report.tiled)
    print("\nassumptions")
    for assumption in ASSUMPTIONS:
        print(f"- {assumption}")


ATTENTIONS = ("attention", "×", "kind", "heads", "queries", "keys", "width", "S MB/head", "S MB", "fits")
COSTS = ("MB un-tiled", "MB tiled", "MB fused", "ms un-tiled", "ms tiled", "ms fused", "of scores")


def _show_written(report: TileReport, tiled: Tiled) -> None:
    print(
        f"\nwrote {report.written}: {counted(len(tiled.cut), 'attention')} in tiles, {len(tiled.uncut)} left whole",
    )
    alike = Counter((a.heads, a.queries, a.keys, split) for a, split in tiled.cut)
    for (heads, queries, keys, split), count in alike.items():
        each = f"each of {heads} heads for itself" if split.by_head else "all heads at once"
        tiles = f"{counted(split.tiles, 'tile')} of {counted(split.rows(queries), 'row')}"
        print(f"  {count} of {queries} rows × {keys} keys: {each}, {tiles}")
    for node, why in tiled.left_out.items():
        print(f"  not cut: {node}: {why}")


def _not_fitting(report: TileReport) -> Iterator[str]:
    """A line for attentions that are alike and whose tiles, as asked for, don't fit."""
    width, sram = WIDTHS[report.settings.dtype], report.settings.machine.sram
    for one in {one.attention.shape: one for one in reversed(report.modelled) if not one.split_fits}.values():
        a = one.attention
        assert one.split is not None, "what is left whole fits as well as it can"
        least = least_tiles(a, width, sram, a.heads)
        others = f"{least} tiles would" if least else "no number of tiles would"
        head = f"; head by head, without --tiles, {one.tiles} a head" if one.tiles else ""
        yield (
            f"{a.layer}: its {one.split.tiles} tiles of all heads don't fit, {others}{head}: "
            "the columns tiled are as un-tiled"
        )


def _attention_rows(report: TileReport) -> Iterator[list[str]]:
    """One row for attentions that are alike, named by the first."""
    alike: dict[Any, list[Modelled]] = {}
    for one in report.modelled:
        alike.setdefault(one.attention.shape, []).append(one)
    for group in alike.values():
        one, a = group[0], group[0].attention
        yield [
            *(a.layer, str(len(group)), a.kind, str(a.heads), str(a.queries), str(a.keys), str(a.head_dim)),
            *(f"{one.sizes.s / 1e6:.3g}", f"{a.heads * one.sizes.s / 1e6:.3g}", one.fits),
            "–" if one.split is None else str(one.split.tiles),
            *(f"{one.variants[way].traffic / 1e6:.1f}" for way in WAYS),
            *(f"{one.variants[way].seconds * 1e3:.3f}" for way in WAYS),
            f"{one.score_share:.0%}",
        ]


def _show_largest(report: TileReport) -> None:
    one = report.largest
    with_paper = _is_paper(report)
    print(
        f"\n{one.attention.layer}, percent of its un-tiled time"
        + (", beside EdgeFusion's Table 6 (measured by its authors on an Exynos 2400)" if with_paper else ""),
    )
    shares = {way: _percent(one, way) for way in WAYS}
    names = ["operation", *(f"{way} (modelled)" for way in WAYS)]
    names += ["un-tiled (paper)", "tiled (paper)"] if with_paper else []
    rows = []
    for op, called in OPS.items():
        row = [called, *(_number(shares[way][op]) for way in WAYS)]
        rows.append(row + ([_number(share) for share in TABLE_6[op]] if with_paper else []))
    last = ["sum", *(_number(sum(shares[way].values())) for way in WAYS)]
    rows.append(
        last + ([_number(sum(v or 0 for v in column)) for column in zip(*TABLE_6.values(), strict=True)] * with_paper)
    )
    table(names, rows)
    scores = f"scores to memory and back: {one.score_share:.1%} of the un-tiled time (modelled)"
    print(scores + (f", {_paper()['score_transfers']:.1f} % with v (paper)" if with_paper else ""))
    at_best = one.variants["fused"].seconds / one.variants["untiled"].seconds
    print(f"fused, its engines at work together: {at_best:.1%} (modelled, a lower bound)")


def _percent(one: Modelled, way: str) -> dict[str, float]:
    whole = one.variants["untiled"].seconds
    return {step.op: 100 * step.seconds / whole for step in one.variants[way].steps}


def _paper() -> dict[str, Any]:
    moved = ("store_s_in", "load_s_in", "store_s_out", "load_s_out_v")
    return {
        "source": "EdgeFusion (arXiv 2404.11925), Table 6",
        "untiled": {op: share for op, (share, _) in TABLE_6.items()},
        "tiled": {op: share for op, (_, share) in TABLE_6.items()},
        "score_transfers": sum(TABLE_6[op][0] for op in moved),
    }


def _is_paper(report: TileReport) -> bool:
    """Whether the largest attention is the one that the paper's table is taken for."""
    return report.largest.attention.shape == BLOCK.shape and WIDTHS[report.settings.dtype] == BLOCK_BYTES


def _described(one: Modelled) -> dict[str, Any]:
    a = one.attention
    return {
        **dataclasses.asdict(a),
        "bytes_per_head": dataclasses.asdict(one.sizes),
        "score_bytes": a.heads * one.sizes.s,
        "fits": one.fits,
        "tiles_per_head": one.tiles,
        "tiles_per_head_for_scores_alone": one.score_tiles,
        "cut": None if one.split is None else {**_cut(a, one.split), "fits": one.split_fits},
        "score_share": one.score_share,
        "ways": {
            name: {
                "tiles": way.tiles,
                "by_head": way.by_head,
                "bytes": way.traffic,
                "seconds": way.seconds,
                "steps": {
                    step.op: {"engine": step.engine, "bytes": step.bytes, "seconds": step.seconds} for step in way.steps
                },
            }
            for name, way in one.variants.items()
        },
    }


def _total(report: TileReport, way: str) -> dict[str, float]:
    ways = [one.variants[way] for one in report.modelled]
    return {"bytes": sum(one.traffic for one in ways), "seconds": sum(one.seconds for one in ways)}


def _written(report: TileReport) -> dict[str, Any] | None:
    if report.tiled is None:
        return None
    return {
        "file": str(report.written),
        "cut": [{"layer": a.layer, **_cut(a, split)} for a, split in report.tiled.cut],
        "whole": [a.layer for a in report.tiled.uncut],
        "left_out": dict(report.tiled.left_out),
    }


def _cut(attention: Attention, split: Split) -> dict[str, Any]:
    return {"tiles": split.tiles, "by_head": split.by_head, "rows": split.rows(attention.queries)}


def _rates(report: TileReport) -> str:
    return (
        "fitted to EdgeFusion's Table 6"
        if report.rates_fitted
        else "some given, the rest fitted to EdgeFusion's Table 6"
    )


def _number(share: float | None) -> str:
    return f"{share:.1f}" if share else "–"
