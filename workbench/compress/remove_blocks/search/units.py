"""What can be removed from a U-Net so that a smaller U-Net is left, and what is left of parameters, MACs and time.

A block taken out alone is rarely a U-Net that diffusers can build. What can be built comes in units: a layer of a down
level with one of the up level that consumes its skip; all attentions of a block; the middle block; a deepest level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.compress.remove_blocks.layouts import CannotDrop, Student, blocks_of, student_of
from workbench.compress.remove_blocks.search.config import MEASURES

Dropped = frozenset[str]
Amounts = Mapping[str, float]
"""Measure to amount."""
MIDDLE = "mid_block"


@dataclass(frozen=True)
class Unit:
    """Modules that can go together; ``name`` is what a figure calls them."""

    name: str
    modules: Dropped


def units_of(config: Mapping[str, Any]) -> list[Unit]:
    """Every unit whose removal leaves a U-Net, from the config alone."""
    return [unit for unit in _candidates(config) if built(config, unit.modules) is not None]


def _candidates(config: Mapping[str, Any]) -> Iterator[Unit]:
    known = blocks_of(config)
    levels = len(config["block_out_channels"])
    if MIDDLE in known:
        yield Unit("middle block", frozenset({MIDDLE}))
    deeper: Dropped = frozenset()
    for level in reversed(range(1, levels)):
        deeper |= {
            f"down_blocks.{level}", f"up_blocks.{levels - 1 - level}", f"down_blocks.{level - 1}.downsamplers.0"
        }  # fmt: skip
        name = f"level {level}" if level == levels - 1 else f"levels {level} to {levels - 1}"
        yield Unit(name, deeper)
    for level in range(levels):
        down, up = f"down_blocks.{level}", f"up_blocks.{levels - 1 - level}"
        for j in _numbers(known, f"{down}.resnets."):
            for k in _numbers(known, f"{up}.resnets."):
                parts = [
                    f"{block}.{kind}.{n}" for block, n in ((down, j), (up, k)) for kind in ("resnets", "attentions")
                ]
                yield Unit(f"down {level}.{j} + up {levels - 1 - level}.{k}", frozenset(parts) & frozenset(known))
        for block in (down, up):
            attentions = frozenset(name for name in known if name.startswith(f"{block}.attentions."))
            if attentions:
                yield Unit(f"attentions of {block.replace('_blocks.', ' ')}", attentions)


def _numbers(known: Iterable[str], prefix: str) -> list[int]:
    return [int(name.removeprefix(prefix)) for name in known if name.startswith(prefix)]


def built(config: Mapping[str, Any], dropped: Iterable[str]) -> Student | None:
    """The student that is left without ``dropped``; None where it isn't a U-Net or the weights wouldn't fit."""
    names = list(dropped)
    try:
        student = student_of(config, names)
    except CannotDrop:
        return None
    deepest = ("block_out_channels", "attention_head_dim", "num_attention_heads", "transformer_layers_per_block")
    # The middle block works at the deepest level's widths and heads, also when that is another level than it was.
    moved = any(
        isinstance(config.get(key), list | tuple) and config[key][-1] != student.config[key][-1] for key in deepest
    )
    return None if moved and MIDDLE not in names and MIDDLE in blocks_of(config) else student


def tidy(modules: Iterable[str]) -> Dropped:
    """The same removal without modules that lie inside others of it."""
    names = frozenset(modules)
    return frozenset(name for name in names if not any(name.startswith(f"{other}.") for other in names))


class Ledger:
    """What every module costs, and so what is left of a U-Net without some of them, as shares of the whole."""

    def __init__(
        self, config: Mapping[str, Any], layers_of: Callable[[Mapping[str, Any]], Mapping[str, Amounts]]
    ) -> None:
        """``layers_of`` gives the amounts of the layers of a U-Net with a config: by module path, in any depth."""
        self._config = config
        self._modules = blocks_of(config)
        self._leaves = [n for n in self._modules if not any(m.startswith(f"{n}.") for m in self._modules)]
        self._layers = layers_of(config)
        self._parts = {leaf: self.inside(leaf) for leaf in self._leaves}
        self.whole = _sum(self._layers.values())
        self._middle: dict[int, Amounts] = {}
        """The middle block's amounts by the number of levels: it works at the deepest one's resolution."""
        for unit in units_of(config) if MIDDLE in self._modules else ():
            student = built(config, unit.modules)
            if student and unit.name.startswith("level"):
                levels = len(student.config["block_out_channels"])
                self._middle[levels] = _within(layers_of(student.config), MIDDLE)

    def inside(self, module: str) -> Amounts:
        """The amounts of a module with all that it holds."""
        return _within(self._layers, module)

    def left(self, dropped: Dropped) -> dict[str, float]:
        """What is left without ``dropped``, in every measure, as a share of the whole."""
        gone = [leaf for leaf in self._leaves if any(leaf == d or leaf.startswith(f"{d}.") for d in dropped)]
        amounts = _sum(self._parts[leaf] for leaf in gone)
        moved = self._moved(dropped)
        return {m: 1 - (amounts[m] - moved[m]) / self.whole[m] for m in MEASURES if self.whole[m]}

    def _moved(self, dropped: Dropped) -> Amounts:
        """What the middle block costs more where it stays and the levels above it go; its time by its MACs."""
        levels = len(self._config["block_out_channels"])
        kept = levels - sum(f"down_blocks.{level}" in dropped for level in range(levels))
        if MIDDLE in dropped or kept not in self._middle:
            return dict.fromkeys(MEASURES, 0.0)
        before, after = self._parts[MIDDLE], self._middle[kept]
        grown = after["macs"] / before["macs"] - 1
        return {"params": 0.0, "macs": after["macs"] - before["macs"], "latency": before["latency"] * grown}


def _within(layers: Mapping[str, Amounts], module: str) -> Amounts:
    return _sum(amounts for name, amounts in layers.items() if name == module or name.startswith(f"{module}."))


def _sum(amounts: Iterable[Amounts]) -> dict[str, float]:
    total: dict[str, float] = dict.fromkeys(MEASURES, 0.0)
    for part in amounts:
        for measure, value in part.items():
            total[measure] += value
    return total


class Reach:
    """How far removal can go: the least that can be left, from any set on."""

    def __init__(self, config: Mapping[str, Any], ledger: Ledger, measure: str) -> None:
        self._config, self._ledger, self._measure = config, ledger, measure
        self.units = units_of(config)
        self._least: dict[Dropped, float] = {}

    def left(self, dropped: Dropped) -> float:
        """What is left without ``dropped`` in the budget's measure."""
        return self._ledger.left(dropped)[self._measure]

    def can(self, dropped: Dropped) -> bool:
        """Whether a U-Net is left without ``dropped``."""
        return built(self._config, dropped) is not None

    def options(self, dropped: Dropped) -> dict[Dropped, Unit]:
        """The sets that one more unit makes of ``dropped``: those that can be built and cost less."""
        now = self.left(dropped)
        units: dict[Dropped, Unit] = {}
        for unit in self.units:
            larger = tidy(dropped | unit.modules)
            if larger != dropped and self.left(larger) < now - 1e-12 and self.can(larger):
                units.setdefault(larger, unit)
        return units

    def least(self, dropped: Dropped = frozenset()) -> float:
        """The least share that is left when what takes the most is removed again and again, from ``dropped`` on."""
        if dropped not in self._least:
            options = self.options(dropped)
            biggest = min(options, key=self.left, default=None)
            self._least[dropped] = self.left(dropped) if biggest is None else self.least(biggest)
        return self._least[dropped]
