"""What ``quantize`` takes, before it is done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.compress.quantize.calibration.samples import HELD_BACK
from workbench.forecast.cost import INTEGER_SHARE, Cost, Facts, Passes
from workbench.forecast.shapes import running, training
from workbench.models.schemes import SCHEMES

if TYPE_CHECKING:
    from workbench.compress.quantize.config import QuantizeConfig

OPEN_S = 4.0
"""Of each network: graphs that are read, changed, written and loaded."""
ROUND_S_PER_WEIGHT = {"nearest": 1e-8, "mse": 5e-8, "gptq": 2e-7}
"""BK-SDM-Tiny's 320 M weights took 16 s with mse."""


def cost_of(config: QuantizeConfig, facts: Facts) -> Cost:
    """Of every named component."""
    calibration, passes, seconds, memory, disk = config.calibration, list[Passes](), 0.0, 0, 0
    scheme, prompts = SCHEMES[config.scheme], calibration.prompts
    if calibration.prompts_from is None and facts.captions:
        prompts = min(prompts, max(facts.captions - HELD_BACK, 1))
    integer = INTEGER_SHARE if scheme.has_kernels else 0.0
    made = {}
    for name in config.components or [facts.denoiser]:
        network, drawn = facts.parent[name], (calibration.steps, calibration.guidance_scale)
        looks = scheme.integer_weights
        if looks:
            if name == facts.denoiser:
                passes += facts.drawing(prompts, *drawn, "observe")
            elif name == facts.encoder:
                passes.append(Passes(network, prompts, "observe"))
            else:
                passes += [*facts.drawing(prompts, *drawn), Passes(network, prompts, "observe")]
            rounding = ROUND_S_PER_WEIGHT[config.how_weights()[1]]
            seconds += network.params * rounding
        if name == facts.encoder:
            passes.append(Passes(network, 2 * HELD_BACK))
        else:
            passes += 2 * facts.drawing(HELD_BACK, *drawn)
        seconds += OPEN_S
        memory = max(memory, running(network))
        disk += network.params * scheme.weight_bits // 8
        made[name] = replace(network, integer=integer)
    if config.trains:
        qat = config.qat
        text = facts.base[facts.encoder]
        trained = training(facts.before, facts.before, qat.steps, qat.batch, facts.half(qat.precision), text)
        passes += trained.passes
        memory = max(memory, trained.memory)
    return Cost(tuple(passes), seconds, memory, disk, made)
