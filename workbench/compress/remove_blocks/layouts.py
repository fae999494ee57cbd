"""The student that is left of a U-Net when a list of its modules is dropped.

diffusers numbers the layers of a block in order, so the student's names follow from what is left; the copy map
student -> teacher that comes out of that is BK-SDM's published ``copy_weight_from_teacher`` for its layouts (arXiv
2305.15798).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError

if TYPE_CHECKING:
    import torch


class CannotDrop(ValueError):
    """These modules can't be dropped from this U-Net; ``block`` is the one to blame."""

    def __init__(self, block: str, why: str) -> None:
        super().__init__(f"{block}: {why}")
        self.block = block


@dataclass(frozen=True)
class Student:
    """``config``: the student's diffusers config. ``source``: student block prefix -> teacher block prefix."""

    config: dict[str, Any]
    source: Mapping[str, str]

    def teacher_name(self, name: str) -> str:
        """The teacher's tensor that the student's tensor ``name`` is copied from."""
        parts = name.split(".")
        for length in (4, 3, 2):
            prefix = ".".join(parts[:length])
            if prefix in self.source:
                return ".".join([self.source[prefix], *parts[length:]])
        return name

    def copy_weights(self, student: torch.nn.Module, teacher: torch.nn.Module, share: bool = False) -> int:
        """Gives ``student``, built from ``config``, the teacher's tensors and returns how many.

        ``share``: no copies: the student, built on the meta device, takes the teacher's memory.

        Raises:
            RunError: a tensor has no counterpart of its shape.
        """
        weights, taken = teacher.state_dict(), {}
        for name, tensor in student.state_dict().items():
            source = self.teacher_name(name)
            if source not in weights or weights[source].shape != tensor.shape:
                shape = tuple(weights[source].shape) if source in weights else "nothing"
                raise RunError(
                    f"{name} needs a tensor of shape {tuple(tensor.shape)}, the teacher's {source} is {shape}"
                )
            taken[name] = weights[source]
        student.load_state_dict(taken, assign=share)
        return len(taken)


def blocks_of(config: Mapping[str, Any]) -> list[str]:
    """Every module of a U-Net that can be named for dropping, from its config alone."""
    levels = len(config["block_out_channels"])
    layers = _per_level(config["layers_per_block"], levels)
    # Older configs leave mid_block_type out, which means diffusers' default.
    names = ["mid_block"] if config.get("mid_block_type", "UNetMidBlock2DCrossAttn") else []
    for side, types in (("down", config["down_block_types"]), ("up", config["up_block_types"])):
        for i, kind in enumerate(types):
            count = layers[i] if side == "down" else layers[levels - 1 - i] + 1
            block = f"{side}_blocks.{i}"
            names.append(block)
            names += [f"{block}.resnets.{j}" for j in range(count)]
            names += [f"{block}.attentions.{j}" for j in range(count) if "CrossAttn" in kind]
            if i < levels - 1:
                names.append(f"{block}.{'down' if side == 'down' else 'up'}samplers.0")
    return names


def student_of(config: Mapping[str, Any], dropped: Sequence[str]) -> Student:
    """The student that is left of a U-Net with ``config`` when ``dropped`` modules go.

    Whole levels go from the deep end, with their up block and the downsampler above them. Within a level, the same
    number of layers goes from the down and from the up side, since every skip needs its consumer; attentions go with
    their resnets, or all of a block's together.

    Raises:
        CannotDrop: a module isn't there, or what is left isn't a U-Net.
    """
    levels = len(config["block_out_channels"])
    layers = _per_level(config["layers_per_block"], levels)
    gone = set(dropped)
    known = blocks_of(config)
    for name in dropped:
        if name not in known:
            raise CannotDrop(name, "this U-Net has no such block")
    kept_levels = _kept_levels(levels, gone)
    channels = list(config["block_out_channels"])

    new = copy.deepcopy(dict(config))
    new.pop("_use_default_values", None)  # a live diffusers config lists keys here that from_config would then reset
    new["block_out_channels"] = channels[:kept_levels]
    for key in ("attention_head_dim", "num_attention_heads", "only_cross_attention", "transformer_layers_per_block"):
        if isinstance(new.get(key), list | tuple):
            new[key] = list(new[key])[:kept_levels]
    if "mid_block" in gone:
        new["mid_block_type"] = None
    source: dict[str, str] = {}
    down_types, up_types, counts = [], [], []
    shift = levels - kept_levels
    for level in range(kept_levels):
        kind, left = _survivors(config, gone, f"down_blocks.{level}", config["down_block_types"][level], layers[level])
        down_types.append(kind)
        counts.append(len(left))
        above = channels[max(level - 1, 0)]
        _fits(f"down_blocks.{level}", left, layers[level], _down_inputs(above, channels[level]))
        _name(source, f"down_blocks.{level}", f"down_blocks.{level}", left)
    for i in range(kept_levels):
        level = kept_levels - 1 - i
        block = f"up_blocks.{i + shift}"
        kind, left = _survivors(config, gone, block, config["up_block_types"][i + shift], layers[level] + 1)
        up_types.append(kind)
        if len(left) != counts[level] + 1:
            raise CannotDrop(
                block,
                f"keeps {len(left)} resnets where down_blocks.{level} keeps {counts[level]}; it must keep one more",
            )
        skip, width = channels[max(level - 1, 0)], channels[level]
        below, had_below = channels[min(level + 1, kept_levels - 1)], channels[min(level + 1, levels - 1)]
        expected, had = _up_inputs(below, width, skip), _up_inputs(had_below, width, skip)
        _fits(block, left, layers[level] + 1, expected, had)
        _name(source, f"up_blocks.{i}", block, left)
        source[f"up_blocks.{i}"] = block
    new["down_block_types"], new["up_block_types"] = down_types, up_types
    new["layers_per_block"] = counts[0] if len(set(counts)) == 1 else counts
    return Student(new, source)


def _per_level(value: int | Sequence[int], levels: int) -> list[int]:
    return [value] * levels if isinstance(value, int) else list(value)


def _kept_levels(levels: int, gone: set[str]) -> int:
    """How many levels stay; whole levels may only go from the deep end, both sides and the sampler above them."""
    kept = levels
    while kept > 1 and f"down_blocks.{kept - 1}" in gone:
        kept -= 1
    for level in range(levels):
        down, up = f"down_blocks.{level}", f"up_blocks.{levels - 1 - level}"
        if (down in gone) != (up in gone):
            present, absent = (down, up) if down in gone else (up, down)
            raise CannotDrop(present, f"can only go together with {absent}")
        if down in gone and level < kept:
            raise CannotDrop(down, f"only the deepest levels can go whole; down_blocks.{levels - 1} stays")
    samplers = {f"down_blocks.{i}.downsamplers.0" for i in range(levels)}
    needed = {f"down_blocks.{i}.downsamplers.0" for i in range(kept - 1, levels - 1)}
    for name in sorted(gone & samplers - needed):
        raise CannotDrop(name, "goes only with the level below it")
    for name in sorted(n for n in gone if "upsamplers" in n and n.rsplit(".", 2)[0] not in gone):
        raise CannotDrop(name, "goes only with its whole level")
    return kept


def _survivors(config: Mapping[str, Any], gone: set[str], block: str, kind: str, count: int) -> tuple[str, list[int]]:
    """The block's type and the indices of the layers that stay."""
    left = [j for j in range(count) if f"{block}.resnets.{j}" not in gone]
    if not left:
        raise CannotDrop(block, "keeps no resnet; drop the whole level instead")
    if "CrossAttn" not in kind:
        return kind, left
    attended = [j for j in range(count) if f"{block}.attentions.{j}" not in gone]
    if not attended:
        return kind.removeprefix("CrossAttn"), left
    if attended != left:
        odd = sorted(set(left) ^ set(attended))[0]
        raise CannotDrop(f"{block}.resnets.{odd}", f"goes only together with {block}.attentions.{odd}")
    return kind, left


Inputs = Callable[[int, int], object]
"""``inputs(j, n)``: what resnet ``j`` of ``n`` takes in, in channels."""


def _down_inputs(above: int, width: int) -> Inputs:
    return lambda j, _n: above if j == 0 else width


def _up_inputs(below: int, width: int, skip: int) -> Inputs:
    """(hidden, skip): the first resnet takes what the level below gives, the last one the skip of the level above."""
    return lambda j, n: (below if j == 0 else width, skip if j == n - 1 else width)


def _fits(block: str, left: Sequence[int], before: int, expected: Inputs, had: Inputs | None = None) -> None:
    """Refuses a set of survivors whose widths don't fit where they move to."""
    for new, old in enumerate(left):
        wants, has = expected(new, len(left)), (had or expected)(old, before)
        if wants != has:
            gone = next((j for j in range(before) if j not in left), old)
            raise CannotDrop(
                f"{block}.resnets.{gone}",
                f"without it, {block}.resnets.{old} would take in {wants} channels, but it was made for {has}",
            )


def _name(source: dict[str, str], student: str, teacher: str, left: Sequence[int]) -> None:
    for new, old in enumerate(left):
        for kind in ("resnets", "attentions"):
            source[f"{student}.{kind}.{new}"] = f"{teacher}.{kind}.{old}"
