"""How many channels are left: the nearest step, never less than a head or a norm's groups can have."""

from __future__ import annotations

import pytest

from workbench.compress.prune.ladder import smallest_ratio
from workbench.compress.prune.plan import Member, NothingLeft, Width, kept, plan, ratio_of
from workbench.errors import RunError


def width(channels: int, parts: int = 1, whole: bool = False, name: str = "w", made: tuple[str, ...] = ("w",)) -> Width:
    return Width(name, "blocks", channels, tuple(Member(layer, "out", 1) for layer in made), parts, whole)


@pytest.mark.parametrize(
    ("of", "ratio", "round_to", "left"),
    [
        (width(320, 32), 0.3, 8, 224),  # SD's first level: exact
        (width(64, 16), 0.3, 8, 48),  # 44.8: the norm's 16 groups lose one channel each
        (width(144, 16), 0.3, 8, 96),  # 100.8: nearer to 96 than to 112
        (width(144, 4), 0.3, 8, 104),  # four heads of 26
        (width(144, 4, whole=True), 0.3, 8, 108),  # three heads of 36: a head is not cut for the rounding
        (width(12, 4), 0.5, 8, 8),  # nearest of 8 and nothing
        (width(6), 0.5, 8, 6),  # narrower than a step: stays
        (width(64), 0.0, 8, 64),
    ],
)
def test_what_is_left_is_the_nearest_multiple_of_parts_and_rounding(of, ratio, round_to, left):
    assert kept(of, ratio, round_to) == left


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (width(64, 16), "0.95 leaves 3.2 of 64 channels at w, below one step of 16"),
        (width(64, 4, whole=True), "0.95 leaves 0.2 of 4 heads at w, below one head"),
    ],
)
def test_less_than_half_a_step_is_refused_and_a_search_stops_at_one(of, said):
    with pytest.raises(NothingLeft, match=said):
        kept(of, 0.95, 8)
    assert kept(of, 0.95, 8, at_least_one=True) == 16


def test_a_width_that_blocks_share_takes_the_smallest_of_their_ratios():
    shared = width(64, made=("down_blocks.3.conv2", "mid_block.conv2"))
    assert ratio_of(shared, 0.3, {"mid_block": 0.5}) == 0.3
    assert ratio_of(shared, 0.3, {"mid_block": 0.1}) == 0.1
    assert ratio_of(shared, 0.3, {"mid_block": 0.6, "down_blocks.3": 0.5}) == 0.5
    own = width(64, made=("mid_block.conv1",))
    assert plan([own], 0.3, {"mid_block": 0.5}, 8) == {"w": 32}


def test_the_search_finds_the_smallest_ratio_and_asks_for_no_plan_twice():
    asked = []

    def cost(left):
        asked.append(left["w"])
        return left["w"] / 64

    def at(ratio):
        return plan([width(64)], ratio, {}, 8, at_least_one=True)

    ratio = smallest_ratio(at, cost, 0.7, "macs_target", 12)
    assert at(ratio) == {"w": 40} and at(ratio - 0.001) == {"w": 48}
    assert len(asked) == len(set(asked))
    with pytest.raises(RunError, match=r"macs_target: 0.1 can't be reached: 0.125 with every width"):
        smallest_ratio(at, cost, 0.1, "macs_target", 12)
    with pytest.raises(RunError, match="latency_target: 2 is met without pruning: 1;"):
        smallest_ratio(at, cost, 2.0, "latency_target", 5)
