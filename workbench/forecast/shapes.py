"""The usual costs: of handling weights, of exports, of training, of drawing."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.forecast.cost import Cost, Pass, Passes
from workbench.limits import LIBRARIES

WEIGHTS_S_PER_GB = 9.0
"""Of float32 weights that are read, converted, made anew or written: remove_blocks on SD-v1.5 took 46 s for 4.7 GB."""
EXPORT_S, EXPORT_S_PER_LAYER, EXPORT_S_PER_GB = 1.0, 0.02, 15.0
"""The demo's U-Nets of 525 and 277 layers took 11.6 and 5.7 to 8 s; SD-v1.5's, of 3.4 GB, took 86 s."""
AGAIN = 5
"""What a backward pass needs ÷ what is kept where it computes the rest again: half as wide as published, BK-SDM-Tiny
and SD-v1.5 kept 567 and 939 MB after a forward pass at 64 x 64, and 102 and 158 MB so."""
WORKING = 1.8
"""Times the values that live at once: SD-v1.5's U-Net and decoder, with 1.1 and 2.0 GB of them, took 3.55 and 0.47 GB
when they were loaded, and 5.5 and 2.5 GB after two passes."""
TRAINING_S, SAVE_S_PER_GB = 5.0, 2.0
"""Of networks and data that are loaded and kernels that are made at the first step; of the state when it is saved."""


def weights(networks: Iterable[Pass], kept: Pass | None = None) -> Cost:
    """Networks that are held as float32 modules; one of them is written."""
    held = sum(network.bytes for network in networks)
    disk = kept.bytes if kept else 0
    return Cost((), (held + disk) / 1e9 * WEIGHTS_S_PER_GB, LIBRARIES + held, disk)


def running(*networks: Pass) -> int:
    """Bytes that networks take in a runtime, all loaded: their weights, and what a session keeps for its passes."""
    return LIBRARIES + sum(network.bytes + round(WORKING * network.alive) for network in networks)


def export(network: Pass) -> Cost:
    """A module traced, written as a file, and compared with it."""
    seconds = EXPORT_S + EXPORT_S_PER_LAYER * network.layers + EXPORT_S_PER_GB * network.bytes / 1e9
    return Cost((Passes(network, 2),), seconds, running(network) + network.bytes // 2, network.bytes)


def training(
    student: Pass,
    teacher: Pass,
    steps: int,
    batch: int,
    half: bool,
    text: Pass,
    saves: int = 0,
    teacher_passes: float = 1,
    following: int = 0,
    average: bool = True,
    moments: bool = True,
    at_once: int | None = None,
    again: bool = False,
) -> Cost:
    """A student that learns from a teacher: three passes forwards and backwards, and those of the teacher.

    ``saves``: how often the state is written; ``following``: passes of the student's averaged weights; ``again``: the
    backward pass computes the forward pass once more. Memory: weights, gradient, two ``moments``, the ``average``, the
    teacher, and what the backward pass needs for ``at_once`` pictures.
    """
    pictures = steps * batch
    passes = (
        Passes(student, (3 + again + following) * pictures, "train", half),
        Passes(teacher, round(teacher_passes * pictures), "train", half),
        Passes(text, pictures, "train"),
    )
    state = (1 + 2 * moments + average) * student.bytes
    held = (1 + following) * student.bytes + state + teacher.bytes + text.bytes
    kept = (at_once or batch) * student.written // (2 if half else 1)
    memory = LIBRARIES + held + (student.alive + kept // AGAIN if again else kept)
    return Cost(passes, TRAINING_S + saves * state / 1e9 * SAVE_S_PER_GB, memory, student.bytes + state)
