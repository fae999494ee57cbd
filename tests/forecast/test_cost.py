"""A cost's products are exact, its seconds follow the machine's speed, and more work never takes less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.forecast.cost import Cost, Pass, Passes, Speed
from workbench.forecast.shapes import export, running, training

NETWORK = Pass(macs=1_000_000, written=40_000, alive=9_000, params=500, layers=10)
SPEED = Speed(fp32=100.0, half=400.0, int8=200.0, memory=50.0, of="a test")


def test_products_are_macs_times_passes():
    assert Cost((Passes(NETWORK, 7), Passes(NETWORK, 3, "train"))).macs == 10 * NETWORK.macs


def test_a_faster_machine_takes_less_and_more_passes_take_more():
    one, two = (Cost((Passes(NETWORK, count),), 1.0) for count in (100, 200))
    twice = replace(SPEED, fp32=200.0, memory=100.0)
    assert two.on(SPEED) - 1 == pytest.approx(2 * (one.on(SPEED) - 1))
    assert one.on(twice) - 1 == pytest.approx((one.on(SPEED) - 1) / 2)


def test_integers_and_bf16_take_less_where_they_are_faster():
    products = replace(NETWORK, written=0, params=0)
    quick = [Passes(replace(products, integer=0.7), 1), Passes(products, 1, half=True)]
    assert all(each.seconds(SPEED) < Passes(products, 1).seconds(SPEED) for each in quick)


def test_training_is_three_passes_of_the_student_and_one_of_the_teacher():
    small = NETWORK.scaled(0.5)
    cost = training(small, NETWORK, steps=5, batch=4, half=False, text=replace(NETWORK, macs=10))
    assert cost.macs == 20 * (3 * small.macs + NETWORK.macs + 10)
    longer = training(small, NETWORK, steps=6, batch=4, half=False, text=NETWORK)
    wider = training(small, NETWORK, steps=5, batch=4000, half=False, text=NETWORK)
    assert longer.memory == cost.memory < wider.memory and longer.on(SPEED) > cost.on(SPEED)


def test_a_larger_network_takes_more_to_export_and_to_hold():
    large = replace(NETWORK, params=500_000_000, layers=700)
    assert export(large).on(SPEED) > export(NETWORK).on(SPEED)
    assert running(NETWORK, large) > running(large) > running(NETWORK)
