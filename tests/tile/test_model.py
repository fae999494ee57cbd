"""The model: exact sizes and numbers of tiles, the shape of the paper's table, and what may not happen."""

from __future__ import annotations

import dataclasses

import pytest

from tests.tile.conftest import unet_attentions
from workbench.models.families.stable_diffusion.architectures import UNETS
from workbench.tile.attentions import Attention
from workbench.tile.model import OPS, Modelled, least_score_tiles, least_tiles, model, sizes_of
from workbench.tile.paper import BLOCK, SRAM, TABLE_6, fitted, machine
from workbench.tile.plans import Split

SCORES = ("store_s_in", "load_s_in", "store_s_out", "load_s_out_v")


def own(side: int, head_dim: int = 40, keys: int | None = None) -> Attention:
    rows = side * side
    return Attention("a", "cross" if keys else "self", 8, rows, keys or rows, head_dim, head_dim)


def percent(one: Modelled, way: str) -> dict[str, float]:
    return {step.op: 100 * step.seconds / one.variants["untiled"].seconds for step in one.variants[way].steps}


def test_score_matrices_of_sd_v1_are_as_large_as_the_literature_says() -> None:
    assert sizes_of(own(64), 2).s == 33_554_432 and 8 * sizes_of(own(64), 2).s == 268_435_456
    assert sizes_of(own(32, 80), 2).s == 2_097_152
    assert sizes_of(own(16, 160), 2).s == 131_072
    cross = sizes_of(own(64, keys=77), 2)
    assert cross.s == 630_784 and 8 * cross.s == 5_046_272
    assert (cross.q, cross.k, cross.v, cross.a) == (327_680, 6_160, 6_160, 327_680)


def test_the_largest_needs_12_tiles_a_head_for_its_scores_and_13_with_what_else_must_be_there() -> None:
    assert least_score_tiles(BLOCK, 2, 6_000_000) == 12
    assert least_tiles(BLOCK, 2, 6_000_000) == 13
    assert least_tiles(BLOCK, 2, 6 * 2**20) == 12
    assert least_tiles(own(64, keys=77), 2, 6_000_000) == 1
    assert least_tiles(own(32, 80), 2, 6_000_000) == 1


@pytest.mark.parametrize("sram", [700_000, 1_000_000, 6_000_000, 30_000_000])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_fewest_tiles_fit_and_one_fewer_does_not(sram: int, width: int) -> None:
    tiles, sizes = least_tiles(BLOCK, width, sram), sizes_of(BLOCK, width)
    if tiles is None:
        assert sizes.k + sizes.v + (BLOCK.head_dim + 2 * BLOCK.keys) * width > sram
        return

    def needed(tiles: int) -> int:
        rows = -(-BLOCK.queries // tiles)
        return sizes.k + sizes.v + rows * (BLOCK.head_dim + 2 * BLOCK.keys) * width

    assert needed(tiles) <= sram and (tiles == 1 or needed(tiles - 1) > sram)


def test_untiled_three_quarters_of_the_time_is_traffic_of_scores_as_in_the_paper() -> None:
    one = model(BLOCK, 2, fitted())
    shares = percent(one, "untiled")
    assert sum(shares.values()) == pytest.approx(100)
    assert 0.72 < one.score_share < 0.78  # paper: 75.3 % with v
    for op, (share, _) in TABLE_6.items():
        assert shares[op] == pytest.approx(share, abs=1.0), op
    assert one.variants["untiled"].traffic == 4 * 268_435_456 + 4 * 8 * 327_680


def test_tiled_a_quarter_of_the_time_is_left_as_in_the_paper() -> None:
    one = model(BLOCK, 2, fitted())
    tiled = percent(one, "tiled")
    assert 24 < sum(tiled.values()) < 29  # paper: 26.6
    assert all(tiled[op] == 0 for op in SCORES[:3])
    for op, (_, share) in TABLE_6.items():
        assert tiled[op] == pytest.approx(share or 0, abs=1.0), op
    assert one.variants["tiled"].traffic == 4 * 8 * 327_680 and one.variants["tiled"].tiles == 13


def test_what_is_fitted_comes_out_as_it_went_in() -> None:
    shares = percent(model(BLOCK, 2, fitted()), "untiled")
    tiled = percent(model(BLOCK, 2, fitted()), "tiled")
    given = {op: share for op, (share, _) in TABLE_6.items()}
    scale = (given["qk"] + given["sv"]) / (shares["qk"] + shares["sv"])
    assert scale * sum(shares[op] for op in SCORES) == pytest.approx(sum(given[op] for op in SCORES))
    assert scale * shares["softmax"] == pytest.approx(given["softmax"])
    lost = sum((TABLE_6[op][1] or 0) - given[op] for op in ("qk", "softmax", "sv"))
    assert scale * sum(tiled[op] - shares[op] for op in ("qk", "softmax", "sv")) == pytest.approx(lost)


def test_what_fits_whole_has_no_score_traffic_and_gains_nothing_from_tiles() -> None:
    one = model(own(16, 160), 2, fitted())
    assert (one.fits, one.tiles, one.score_share) == ("all heads", 1, 0)
    assert one.variants["untiled"].seconds == one.variants["tiled"].seconds
    assert one.variants["untiled"].traffic == 4 * 8 * sizes_of(own(16, 160), 2).q


def test_cross_attention_fits_head_by_head() -> None:
    one = model(own(64, keys=77), 2, fitted())
    assert (one.fits, one.tiles) == ("one head", 1)
    assert one.variants["tiled"].traffic < one.variants["untiled"].traffic / 4


def test_where_not_even_a_row_fits_tiles_help_nothing_and_fusing_still_does() -> None:
    one = model(BLOCK, 2, machine(600_000))
    assert (one.fits, one.tiles, one.score_tiles) == ("no", None, 114)
    assert one.variants["tiled"].seconds == one.variants["untiled"].seconds
    fused = one.variants["fused"]
    assert one.variants["untiled"].traffic > fused.traffic > model(BLOCK, 2, fitted()).variants["fused"].traffic


def test_more_tiles_than_needed_cost_hand_overs_and_fewer_do_not_help() -> None:
    on = fitted()
    least, more, fewer = (
        model(BLOCK, 2, on, tiles and Split(tiles, by_head=True)).variants["tiled"] for tiles in (None, 128, 12)
    )
    assert more.seconds - least.seconds == pytest.approx(3 * 8 * (128 - 13) * on.handover_s)
    assert (more.traffic, more.tiles) == (least.traffic, 128)
    assert fewer.seconds == model(BLOCK, 2, on).variants["untiled"].seconds


def test_an_attention_too_small_for_its_hand_overs_is_not_tiled_unless_asked_to() -> None:
    small, on = own(8, 8), machine(20_000)
    assert model(small, 2, on).fits == "one head"
    assert model(small, 2, on).variants["tiled"].seconds == model(small, 2, on).variants["untiled"].seconds
    assert (
        model(small, 2, on, Split(1, by_head=True)).variants["tiled"].seconds
        > model(small, 2, on).variants["untiled"].seconds
    )


def test_no_way_is_slower_than_untiled_on_any_attention_of_sd_v1_and_all_name_every_operation() -> None:
    for attention in unet_attentions(UNETS["sd-v1"], (64, 64), 77):
        ways = model(attention, 2, fitted()).variants
        assert ways["fused"].seconds <= ways["tiled"].seconds * 1.01 <= ways["untiled"].seconds * 1.02
        assert ways["fused"].traffic <= ways["tiled"].traffic <= ways["untiled"].traffic
        assert all([step.op for step in way.steps] == list(OPS) for way in ways.values())


def test_tiles_of_all_heads_need_room_for_all_heads_and_cost_one_hand_over_each() -> None:
    on = fitted()
    # k and v of 8 heads leave 757,120 bytes; a row of 8 heads' q, S_in and S_out takes 131,712: 5 rows at a time
    assert least_tiles(BLOCK, 2, SRAM, heads=8) == 820
    short, enough = (model(BLOCK, 2, on, Split(tiles)) for tiles in (683, 820))
    assert (short.split, short.split_fits) == (Split(683), False)
    assert short.variants["tiled"].seconds == short.variants["untiled"].seconds
    assert (enough.split, enough.split_fits, enough.variants["tiled"].by_head) == (Split(820), True, False)
    by_head = model(BLOCK, 2, on)
    assert (by_head.split, by_head.variants["tiled"].by_head) == (Split(13, by_head=True), True)
    assert enough.variants["tiled"].traffic == by_head.variants["tiled"].traffic
    more = enough.variants["tiled"].seconds - by_head.variants["tiled"].seconds
    assert more == pytest.approx(3 * (820 - 8 * 13) * on.handover_s)


def test_what_fits_whole_pays_for_the_tiles_that_it_is_cut_into_all_the_same() -> None:
    on = fitted()
    one = model(own(16, 160), 2, on, Split(4))
    assert one.fits == "all heads" and one.split == Split(4)
    assert one.variants["tiled"].seconds - one.variants["untiled"].seconds == pytest.approx(3 * 4 * on.handover_s)


def test_a_rate_that_is_given_replaces_the_fitted_one_alone() -> None:
    assert machine(SRAM) == fitted()
    slow = machine(SRAM, bandwidth=1e9)
    assert slow == dataclasses.replace(fitted(), bandwidth=1e9)
    assert model(BLOCK, 2, slow).score_share > 0.98
