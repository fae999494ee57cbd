"""Block removal by need: every block's damage and gain, and the set of blocks that the budget asks for.

Two things, kept apart. *Blocks alone*: each residual and attention block is bypassed in turn, as BK-SDM's authors did
to choose theirs (arXiv 2305.15798); that says where the damage lies. *Sets*: what can really go together and leave a
U-Net; each is built with the parent's weights and measured as a whole. All of it without retraining, which evens out a
good part of the damage and can change the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.layouts import CannotDrop, blocks_of, student_of
from workbench.compress.remove_blocks.search.analytic import unreachable
from workbench.compress.remove_blocks.search.bypass import SHORTCUT, blocks_alone
from workbench.compress.remove_blocks.search.config import MEASURES, SearchConfig
from workbench.compress.remove_blocks.search.cost import Times, layers_of, measured_times, passes_of, time_of
from workbench.compress.remove_blocks.search.damage import Damage, Notes
from workbench.compress.remove_blocks.search.greedy import Trace, search
from workbench.compress.remove_blocks.search.units import Dropped, Ledger, Reach, built
from workbench.errors import InputError
from workbench.models.read_json import read_object

METHOD = "forward greedy by added error per share saved, sets measured as a whole; no retraining"
PARTS = 100
"""Of the progress of the search for a set, whose number of measurements isn't known before."""


@dataclass(frozen=True)
class Chosen:
    """The modules to drop, in the U-Net's order, all that was measured (JSON), and what to mind about it."""

    dropped: tuple[str, ...]
    report: dict[str, Any]
    warnings: list[str]


def find(ctx: StepContext, config: SearchConfig, tokens: int) -> Chosen:
    """Measures blocks and sets of the parent's U-Net and chooses the set with the least error within the budget.

    Finished measurements lie in ``ctx.state``: a killed search resumes from there.

    Raises:
        InputError: not even everything that can go reaches the budget.
    """
    notes = Notes(ctx.state / "block_search.jsonl")
    times: Times = notes.get("times", lambda: measured_times(ctx))
    unet_config = read_object(ctx.parent.denoiser.path / "config.json")
    ledger = Ledger(unet_config, layers_of(times, tokens))
    measure, share = config.budget.measure, config.budget.share
    reach = Reach(unet_config, ledger, measure)
    if reach.least() > share:
        raise InputError(f"remove_blocks.search.budget.{measure}: {unreachable(measure, share, reach.least())}")

    damage = Damage(ctx, config, notes)
    layouts, unfit = _layouts(ctx.base.family.layouts, unet_config)
    blocks, left_out = _blocks(ctx, damage, ledger, times, layouts)
    with ctx.progress("search for the set", PARTS) as tick:
        trace = search(
            reach,
            share,
            config.remeasure,
            lambda dropped: damage.of_set(dropped)["error"]["value"],
            lambda part: tick(min(PARTS, round(part * PARTS))),
        )
    for dropped in layouts.values():
        trace.errors[dropped] = damage.of_set(dropped)["error"]["value"]
    best = trace.best(lambda dropped: reach.left(dropped) <= share)
    shown = [*(dropped for _, dropped in trace.picks), *layouts.values(), best]
    with ctx.progress("pictures of the sets", len(shown)) as tick:
        for done, dropped in enumerate(shown, 1):
            damage.pictures_of_set(dropped)
            tick(done)

    def row(dropped: Dropped) -> dict[str, Any]:
        measured = damage.of_set(dropped) | damage.pictures_of_set(dropped)
        return {"left": ledger.left(dropped), **measured, "dropped": _ordered(unet_config, dropped)}

    report = {
        "method": METHOD,
        "budget": {"measure": measure, "share": share, "least": reach.least()},
        "seed": ctx.seed,
        "steps": config.steps,
        "guidance_scale": config.guidance_scale,
        **damage.counts,
        "parent": {
            "params": round(ledger.whole["params"]),
            "macs": round(ledger.whole["macs"]),
            "ms": time_of(times, lambda _layer: True),
            **damage.of_parent,
        },
        "blocks": blocks,
        "left_out": [{"block": name, "why": why} for name, why in left_out.items()],
        "path": [{"unit": unit.name, **row(dropped)} for unit, dropped in trace.picks],
        "put_back": [unit.name for unit in trace.put_back],
        "tried": [{"left": ledger.left(d), "error": error} for d, error in trace.errors.items()],
        "bk": [{"layout": name, **row(dropped)} for name, dropped in layouts.items()],
        "bk_left_out": unfit,
        "chosen": {"found_by": _found_by(best, trace, layouts), **row(best)},
    }
    warnings = passes_of(times, lambda _layer: True).warnings("remove_blocks.search: kernel time of the parent")
    return Chosen(tuple(_ordered(unet_config, best)), report, warnings)


def _layouts(
    published: Mapping[str, Sequence[str]], config: Mapping[str, Any]
) -> tuple[dict[str, Dropped], list[dict[str, str]]]:
    """The published sets that this U-Net can do without, and the others with the reason."""
    layouts, unfit = {}, []
    for name, modules in published.items():
        try:
            student_of(config, modules)
        except CannotDrop as error:
            unfit.append({"layout": name, "why": str(error)})
            continue
        if built(config, modules) is None:
            unfit.append({"layout": name, "why": "the middle block would stand at a level of other widths"})
        else:
            layouts[name] = frozenset(modules)
    return layouts, unfit


def _blocks(
    ctx: StepContext, damage: Damage, ledger: Ledger, times: Times, layouts: Mapping[str, Dropped]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every block alone: its damage, its gain, and which layouts remove it."""
    names, left_out = blocks_alone(damage.unet)
    rows = []
    with ctx.progress("every block alone", len(names)) as tick:
        for done, (block, kind) in enumerate(names.items(), 1):
            kept = ledger.inside(f"{block}.{SHORTCUT}")
            gain = {m: ledger.inside(block)[m] - kept[m] for m in MEASURES}
            rows.append(
                {
                    "block": block,
                    "kind": kind,
                    "params": round(gain["params"]),
                    "macs": round(gain["macs"]),
                    "ms": time_of(times, partial(_inside, module=block)),
                    "share": {m: gain[m] / ledger.whole[m] for m in MEASURES if ledger.whole[m]},
                    "shortcut_stays": kept["params"] > 0,
                    "bk": [name for name, gone in layouts.items() if any(_inside(block, d) for d in gone)],
                    **damage.of_block(block),
                }
            )
            tick(done, block)
    return rows, left_out


def _inside(layer: str, module: str) -> bool:
    return (layer == module or layer.startswith(f"{module}.")) and SHORTCUT not in layer


def _ordered(config: Mapping[str, Any], dropped: Dropped) -> list[str]:
    return [name for name in blocks_of(config) if name in dropped]


def _found_by(best: Dropped, trace: Trace, layouts: Mapping[str, Dropped]) -> str:
    """In words, where the chosen set comes from."""
    if best == trace.final:
        return "greedy, then put back" if trace.put_back else "greedy"
    return next((name for name, dropped in layouts.items() if dropped == best), "measured on the way")
