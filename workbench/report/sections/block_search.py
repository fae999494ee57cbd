"""The section "Which blocks go": damage against gain of every block alone, and the search's sets beside BK-SDM's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.report.data import RunData
from workbench.report.figures.block_search import every_block, sets
from workbench.report.format import MISSING, big, known, number

KEY = "block_search"
"""Where ``remove_blocks`` leaves what it measured, in its report."""
MEASURES = {"params": "parameters", "macs": "MACs", "latency": "kernel time"}


def gather(run: RunData) -> list[dict[str, Any]]:
    """One entry per candidate that a search made: sentences, figures (SVG, made here and safe) and tables."""
    found = []
    for candidate in run.candidates:
        searched = candidate.report.get(KEY)
        if searched:
            found.append(
                {
                    "candidate": candidate.name,
                    "sentences": sentences(searched),
                    "how": _how(searched),
                    "blocks_figure": every_block(searched, candidate.name),
                    "sets_figure": sets(searched, candidate.name),
                    "measure": MEASURES[searched["budget"]["measure"]],
                    "blocks": _block_rows(searched),
                    "sets": _set_rows(searched),
                    "chosen": searched["chosen"]["dropped"],
                    "left_out": searched["left_out"] + searched["bk_left_out"],
                }
            )
    return found


def sentences(searched: Mapping[str, Any]) -> list[str]:
    """What the search found, and where BK-SDM's choices stand in it."""
    measure, chosen = searched["budget"]["measure"], searched["chosen"]
    what = MEASURES[measure]
    found = [
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
        found.append(
            f"{row['layout']} leaves {_share(row['left'][measure])} with {_error(row)}: {standing}. "
            f"{_alone(searched['blocks'], row['layout'])}".strip()
        )
    return found


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


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    """Damage as text, for blocks and sets alike."""
    error, psnr, alignment = row["error"], row.get("psnr_db") or {}, row.get("alignment") or {}
    by_time = row["sqnr_db"]
    return {
        "error": number(error["value"]),
        "error_ends": f"{number(error['low'])} to {number(error['high'])}",
        "sqnr": ", ".join(f"{value:.1f}" for value in by_time.values()),
        "psnr": number(psnr.get("value")),
        "alignment": number(alignment.get("value")),
        "alignment_ends": f"{number(alignment.get('low'))} to {number(alignment.get('high'))}" if alignment else "",
    }


def _block_rows(searched: Mapping[str, Any]) -> list[dict[str, Any]]:
    gone = searched["chosen"]["dropped"]
    rows = sorted(searched["blocks"], key=lambda row: row["error"]["value"])
    return [
        {
            "block": row["block"],
            "shortcut": row["shortcut_stays"],
            "params": big(row["params"]),
            "macs": big(row["macs"]),
            "ms": number(row["ms"]["value"]),
            "iqr": number(row["ms"]["iqr"]),
            "bk": ", ".join(name.removeprefix("bk-") for name in row["bk"]),
            "chosen": holds(gone, row["block"]),
            **_cells(row),
        }
        for row in rows
    ]


def _set_rows(searched: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [(f"+ {row['unit']}", row) for row in searched["path"]]
    rows += [(row["layout"], row) for row in searched["bk"]]
    rows.append(("chosen", searched["chosen"]))
    return [
        {"name": name, "left": {m: _share(row["left"].get(m)) for m in MEASURES}, **_cells(row)} for name, row in rows
    ]


def holds(dropped: Sequence[str], block: str) -> bool:
    """Whether a set of modules takes the block with it."""
    return any(block == module or block.startswith(f"{module}.") for module in dropped)
