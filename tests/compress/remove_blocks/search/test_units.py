"""What can go together, and what is then left: as the built U-Net itself counts."""

from __future__ import annotations

import json
import random

import pytest

from workbench.compress.remove_blocks.search.analytic import config_layers, least_share
from workbench.compress.remove_blocks.search.cost import layers_of
from workbench.compress.remove_blocks.search.greedy import search
from workbench.compress.remove_blocks.search.units import Ledger, Reach, built, tidy, units_of
from workbench.models.families.stable_diffusion.layouts import LAYOUTS
from workbench.runtimes.torch.counting import count_unet

TOKENS = 32
OTHER = {
    "layers_per_block": [1, 2, 3, 1], "transformer_layers_per_block": [1, 2, 1, 1], "use_linear_projection": True,
    "block_out_channels": [32, 64, 64, 128], "attention_head_dim": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def config(demo):
    return json.loads((demo / "unet" / "config.json").read_text())


@pytest.fixture(scope="module")
def ledger(config):
    return Ledger(config, layers_of({}, TOKENS))


def test_every_unit_leaves_a_unet_that_can_be_built(config):
    units = units_of(config)
    assert len({unit.name for unit in units}) == len(units) == 21
    assert {"middle block", "level 3", "down 1.1 + up 2.1", "attentions of up 3"} <= {unit.name for unit in units}
    assert all(built(config, unit.modules) is not None for unit in units)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_left_is_what_the_student_counts(config, ledger, seed):
    reach, rng, dropped = Reach(config, ledger, "macs"), random.Random(seed), frozenset()
    whole = count_unet(config, tokens=TOKENS)
    for _ in range(3):
        dropped = rng.choice(sorted(reach.options(dropped), key=sorted))
    plan = built(config, dropped)
    assert plan is not None
    student = count_unet(plan.config, tokens=TOKENS)
    left = ledger.left(dropped)
    assert left["params"] == pytest.approx(student.params / whole.params, rel=1e-12)
    assert left["macs"] == pytest.approx(student.macs_with_attention / whole.macs_with_attention, rel=1e-12)


def test_a_middle_block_that_moves_to_a_finer_level_costs_more(config, ledger):
    level = next(unit.modules for unit in units_of(config) if unit.name == "level 3")
    plan = built(config, level)
    assert plan is not None
    student = count_unet(plan.config, tokens=TOKENS).macs_with_attention
    assert ledger.left(level)["macs"] == pytest.approx(student / ledger.whole["macs"], rel=1e-12)
    assert ledger.left(level)["macs"] > ledger.left(level | {"mid_block"})["macs"]


@pytest.mark.parametrize("changed", [{}, OTHER])
def test_the_config_alone_tells_the_same_counts(config, changed):
    from workbench.compress.remove_blocks.layouts import blocks_of

    own = {**config, **changed}
    counted = Ledger(own, layers_of({}, TOKENS))
    told = Ledger(own, lambda c: config_layers(c, TOKENS) or {})
    assert told.whole == counted.whole
    assert {name: told.inside(name) for name in blocks_of(own)} == {n: counted.inside(n) for n in blocks_of(own)}


@pytest.mark.parametrize("key", ["class_embed_type", "mid_block_type", "cross_attention_dim"])
def test_nothing_is_told_of_networks_that_the_formulas_do_not_fit(config, key):
    assert least_share({**config, key: "other"}, "macs") is None
    assert least_share(config, "latency") is None


def test_the_least_share_is_never_above_the_true_one(config, ledger):
    assert least_share(config, "params") == pytest.approx(Reach(config, ledger, "params").least(), rel=1e-12)
    assert 0.3 < least_share(config, "macs") <= Reach(config, ledger, "macs").least()


def test_a_middle_block_is_not_put_at_a_level_of_other_widths(config):
    level = next(unit.modules for unit in units_of(config) if unit.name == "level 3")
    narrow = {**config, "block_out_channels": [64, 128, 144, 160]}
    heads = {**config, "attention_head_dim": [4, 4, 4, 8]}
    for other in (narrow, heads):
        assert built(other, level) is None
        assert "level 3" not in {unit.name for unit in units_of(other)}
    assert built(heads, level | {"mid_block"}) is not None


def test_modules_inside_others_are_named_once():
    assert tidy({"down_blocks.3", "down_blocks.3.resnets.1", "mid_block"}) == {"down_blocks.3", "mid_block"}


def test_bk_sdms_layouts_are_unions_of_units(config):
    modules = [tidy(unit.modules) for unit in units_of(config)]
    for layout in LAYOUTS.values():
        inside = [unit for unit in modules if unit <= set(layout)]
        assert tidy(module for unit in inside for module in unit) == tidy(layout)


def synthetic(dropped):
    """An error that adds up over modules, by a weight that follows from the name."""
    return sum(random.Random(name).uniform(0.01, 1) for name in dropped)


@pytest.mark.parametrize("measure", ["params", "macs"])
def test_even_the_tightest_budget_is_reached(config, ledger, measure):
    reach = Reach(config, ledger, measure)
    share = reach.least() + 1e-9
    trace = search(reach, share, 3, synthetic, lambda _part: None)
    assert reach.left(trace.final) <= share and built(config, trace.final) is not None
    assert all(reach.left(dropped) > share for _, dropped in trace.picks[:-1])


def test_what_the_budget_does_not_need_comes_back(config, ledger):
    reach = Reach(config, ledger, "macs")
    parts: list[float] = []
    trace = search(reach, 0.7, 30, synthetic, parts.append)
    best = trace.best(lambda dropped: reach.left(dropped) <= 0.7)
    assert trace.errors[best] == min(e for d, e in trace.errors.items() if reach.left(d) <= 0.7)
    assert trace.errors[trace.final] <= trace.errors[trace.picks[-1][1]]
    kept = [unit for unit, _ in trace.picks if unit not in trace.put_back]
    for unit in kept:
        fewer = tidy(m for other in kept if other != unit for m in other.modules)
        assert not fewer or reach.left(fewer) > 0.7 or synthetic(fewer) >= trace.errors[trace.final]
    assert parts == sorted(parts) and parts[0] > 0 and parts[-1] <= 1
