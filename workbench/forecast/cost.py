"""The cost of a stage: the passes of networks that it makes, what isn't passes, the peak of memory, and its files.

A pass takes its products at a share of the speed that this machine reaches at best, and what it reads and writes at the
speed of memory. The shares were fitted to one run of recipes/bk_tiny_w8a8.yaml on two quiet cores with AMX and to what
is known of SD-v1.5 on others; what was measured before on the same machine replaces them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from workbench.limits import LIBRARIES

Kind = Literal["run", "train", "observe"]
"""``run``: through a runtime. ``train``: in batches, forwards, or forwards and backwards as three passes. ``observe``:
run, with what every operator gives looked at."""
FP32 = 4
PRODUCTS: Mapping[Kind, float] = {"run": 0.7, "train": 0.35, "observe": 0.7}
"""Share of the best speed of products: the demo's U-Net of 684 M MACs took 10 ms in two lanes at 166 GMAC/s."""
MOVES: Mapping[Kind, float] = {"run": 1.0, "train": 2.5, "observe": 14.0}
"""Times the bytes of an inference. ``train``: a step of 32 pictures in bf16 took 0.75 s on two threads, 1.3 on one."""
INTEGER_SHARE = 0.7
"""Of a network's products, those that an 8-bit scheme's policy leaves to integers."""


@dataclass(frozen=True)
class Pass:
    """One pass of a network at batch 1: its products, bytes that its operators write, and that live at the largest of
    its layers, parameters, layers, and the share of products in 8-bit integers."""

    macs: int
    written: int
    alive: int
    params: int
    layers: int
    integer: float = 0.0

    @property
    def bytes(self) -> int:
        """Of its weights in float32."""
        return FP32 * self.params

    def scaled(self, share: float) -> Pass:
        """With a share of its products, its values and its weights."""
        sizes = {name: round(getattr(self, name) * share) for name in ("macs", "written", "params")}
        return replace(self, **sizes)


NOTHING = Pass(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Speed:
    """What this machine reaches at best, in 1e9 a second: products by their precision, and bytes; ``of`` says how that
    is known."""

    fp32: float
    half: float
    int8: float
    memory: float
    of: str


@dataclass(frozen=True)
class Passes:
    """``count`` passes of a network; ``half``: products in bf16."""

    of: Pass
    count: float
    kind: Kind = "run"
    half: bool = False

    @property
    def macs(self) -> float:
        """All products."""
        return self.of.macs * self.count

    def seconds(self, speed: Speed) -> float:
        """On a machine of that speed."""
        floats = speed.half if self.half else speed.fp32
        products = self.of.macs * ((1 - self.of.integer) / floats + self.of.integer / speed.int8) / PRODUCTS[self.kind]
        moved = (2 * self.of.written + self.of.bytes) * MOVES[self.kind] / speed.memory
        return self.count * (products + moved) / 1e9


@dataclass(frozen=True)
class Cost:
    """``seconds``: what isn't passes, such as tracing a graph or reading weights. In bytes ``memory`` at the peak, and
    ``disk`` of what stays or lies there meanwhile."""

    passes: tuple[Passes, ...] = ()
    seconds: float = 0.0
    memory: int = LIBRARIES
    disk: int = 0
    made: Mapping[str, Pass] = field(default_factory=dict)
    """Components whose passes are others after the step, in a way that their configs don't tell."""

    @property
    def macs(self) -> int:
        """All products of all passes."""
        return round(sum(each.macs for each in self.passes))

    def on(self, speed: Speed) -> float:
        """Seconds on a machine of that speed."""
        return self.seconds + sum(each.seconds(speed) for each in self.passes)


@dataclass(frozen=True)
class Facts:
    """What a step knows of the work that it would meet. Networks are given by what a pass of each takes.

    ``base``, ``parent``: of the untouched model and of the candidate before the step, by component; ``made``: of the
    denoiser after it; ``others``: denoisers of earlier candidates by name. ``captions``: training captions, each once;
    ``pictures``: to train on. ``timesteps(steps, few)``: how often the scheduler asks for the denoiser. ``few``: the
    parent takes the strength of guidance as an input. ``half``: whether this machine trains in bf16.
    """

    base: Mapping[str, Pass]
    parent: Mapping[str, Pass]
    made: Pass
    denoiser: str
    encoder: str
    decoder: str
    captions: int
    pictures: int
    few: bool
    half: Callable[[Any], bool]
    timesteps: Callable[[int, bool], int]
    others: Mapping[str, Pass] = field(default_factory=dict)

    @property
    def before(self) -> Pass:
        """The denoiser before the step."""
        return self.parent[self.denoiser]

    def drawing(self, prompts: int, steps: int, guidance_scale: float, kind: Kind = "run") -> tuple[Passes, ...]:
        """The parent's passes for so many prompts: of the prompt encoder, and of the denoiser."""
        passes = 2 if guidance_scale > 1 and not self.few else 1
        count = prompts * self.timesteps(steps, self.few) * passes
        return Passes(self.parent[self.encoder], prompts + 1), Passes(self.before, count, kind)
