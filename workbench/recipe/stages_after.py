"""The cost of what follows the steps: pictures that are drawn and scored, networks that are measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.captioned import captions, is_there
from workbench.data.operation import HELD_OUT, TRAIN
from workbench.evaluate.sampler import SMALL
from workbench.forecast.cost import FP32, Cost, Pass, Passes
from workbench.forecast.shapes import running
from workbench.limits import LIBRARIES, fits
from workbench.models.guidance import passes
from workbench.recipe.schema import ProfileConfig, Recipe
from workbench.runtimes.base import described
from workbench.store.depends import depends_on
from workbench.store.store import key_of

if TYPE_CHECKING:
    from workbench.recipe.stages import Chain

Parts = tuple[str, str, Cost, str, str, str]
"""Of a stage, in its order."""
Drawn = Sequence[tuple[str, int]]
"""Candidates as the report names them, with their positions in the chain."""
OPEN_S, SCORE_S = 3.0, 0.015
"""Of networks that are loaded to draw, and of each picture that is scored by the metrics that need no weights."""
LOADS_S_PER_GB = 8.0
PROBE_S, PROBE_TORCH_S, CEILINGS_S = 4.0, 9.0, 3.0
"""A process that measures a candidate's memory on a runtime that reads files, and with torch; the ceilings."""
LAYER_PASSES, UNEVEN = 20, 1.5
"""Passes with profiling on, and how much longer than others they are."""


def evaluating(
    recipe: Recipe, folder: Path, chain: Chain, drawn: Drawn, times: Callable[[int, bool], int]
) -> Iterator[Parts]:
    """Pictures of every candidate, the denoiser's outputs, and scores."""
    config, family = recipe.evaluate, chain.family
    if not config.pictures:
        return
    encoder, denoiser, decoder = (part.name for part in (family.prompt_encoder, family.denoiser, family.decoder))
    height, width = family.sides(family.configs(folder))
    pictures = config.pictures + _trained(recipe, folder)
    code = depends_on("workbench.evaluate.evaluate", "workbench.export.stored")
    settings = config.model_dump(mode="json", exclude={"few_steps", "metrics", "shown"})
    counts = dict(zip((i for _, i in drawn), (0 for _ in drawn), strict=True))
    for name, i in drawn:
        few = chain.few[i]
        steps = config.few_steps[counts[i]] if few else config.steps
        counts[i] += 1
        each, count = passes(config.guidance_scale, few), times(steps, few)
        networks = chain.passes[i]
        compared = 0 if few else 2 * len(config.timesteps) * min(config.samples, config.pictures)
        work = (
            Passes(networks[encoder], pictures + 1),
            Passes(networks[denoiser], pictures * count * each + compared),
            Passes(networks[decoder], pictures),
        )
        size, held = height * width * 3, sum(network.bytes for network in networks.values())
        memory = running(*networks.values())
        if networks[denoiser].bytes > SMALL:  # then one is in memory at a time
            memory = max(running(network) for network in networks.values())
        cost = Cost(
            work,
            OPEN_S + SCORE_S * pictures + LOADS_S_PER_GB * held / 1e9,
            memory + 2 * pictures * size,
            pictures * (2 * size + FP32 * math.prod(family.latent(family.configs(folder)))),
        )
        identity = ""
        if chain.keys:
            of = {"of": [chain.keys[i], chain.keys[0]], "steps": steps, "seed": recipe.seed}
            identity = key_of({"evaluate": settings, **of, "data": recipe.data, **code})
        yield "evaluate", name, cost, identity, "", _words(pictures, count, each)


def _trained(recipe: Recipe, folder: Path) -> int:
    """Pictures of captions that training saw, which are drawn where there are others as well."""
    if recipe.evaluate.prompts is not None or not is_there(recipe.data, folder):
        return 0
    both = all(captions(recipe.data, folder, split) for split in (TRAIN, HELD_OUT))
    return recipe.evaluate.trained_pictures if both else 0


def _words(pictures: int, steps: int, passes: int) -> str:
    return f"{pictures} pictures × {steps} steps × {passes} pass{'es' if passes > 1 else ''}"


def profiling(recipe: Recipe, chain: Chain, drawn: Drawn) -> Iterator[Parts]:
    """This machine's measurements of all candidates on every runtime. What a device takes nobody knows beforehand."""
    config = recipe.profile
    if "host" not in config.targets:
        return
    work, seconds, memory = list[Passes](), 0.0, 0
    for name in config.runtimes:
        reads = bool(described(name).reads)
        there = [(each, i) for each, i in drawn if reads or not chain.files[i]]
        networks = list({id(network): network for _, i in there for network in chain.passes[i].values()}.values())
        held, by_turns = _held(networks, chain, recipe.max_memory_bytes)
        work += [Passes(network, _counted(config)) for network in networks]
        work += [Passes(network, config.iterations) for network in by_turns]
        loads = [*networks] * 3 + by_turns * config.iterations
        seconds += len(networks) * config.min_seconds + sum(n.bytes for n in loads) / 1e9 * LOADS_S_PER_GB
        seconds += CEILINGS_S + len(there) * (PROBE_S if reads else PROBE_TORCH_S)
        alone = [sum(network.bytes + network.alive for network in chain.passes[i].values()) for _, i in there]
        probed = LIBRARIES + max(alone, default=0)
        memory = max(memory, held, LIBRARIES + probed)  # a probe is a process of its own
    yield (
        "profile",
        "host",
        Cost(tuple(work), seconds, memory, 0),
        "",
        "",
        f"{config.iterations} passes of each network",
    )


def _counted(config: ProfileConfig) -> float:
    """Passes of one network, but for those that only fill ``min_seconds``."""
    return config.iterations + config.warmup + UNEVEN * min(config.iterations, LAYER_PASSES)


def _held(networks: Sequence[Pass], chain: Chain, most: int | None) -> tuple[int, list[Pass]]:
    """Bytes of the networks of a component that are measured against each other, of which that is most; and those that
    are too many for ``most``, or for what the system has, and loaded by turns."""
    held, by_turns = LIBRARIES, list[Pass]()
    for name in chain.passes[0]:
        group = [n for n in networks if any(p.get(name) is n for p in chain.passes)]
        if len(group) < 2 or fits(running(*group) - LIBRARIES, most):
            held = max(held, running(*group))
        else:
            held = max(held, *(running(network) for network in group))
            by_turns += group
    return held, by_turns
