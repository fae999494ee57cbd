"""A start by least squares: what a student kept of its teacher is fitted to all that it has to stand for.

A U-Net that blocks were removed from runs its remaining layers on inputs that they never saw. Before training, layer
after layer, the last linear maps of each (a resnet's second convolution with its shortcut, a transformer's output
projection) are solved for the least squared distance to the teacher's activations after the last of the removed layers
that followed; a transformer takes its other weights from that last one. On the embedded model the error of the output
falls so from 0.734 to 0.287 before any training (docs/distilling.md).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from workbench.training.features import Taps

if TYPE_CHECKING:
    import torch

    from workbench.training.batches import Batch

PICTURES = 128
POSITIONS = 1 << 17
"""Positions of latents looked at in one pass; larger latents are fewer pictures."""
_ROWS = 32_768
_RIDGE = 1e-2
"""Times the mean diagonal of XᵀX: holds the solution near the weights that are there."""
Pair = tuple[str, str]
"""A layer of the student and one of the teacher, with ``{}`` for resnets or attentions: ``up_blocks.0.{}.1``."""


def stands_for(teacher: Any, student: Any) -> list[Pair]:
    """Every layer of the student with the last of the teacher's that it stands for: the one before the next that was
    kept, or the block's last. Empty where the student has all layers or isn't freshly cut from this teacher.

    Which layers were kept is seen from their weights.
    """
    pairs: list[Pair] = []
    for side in ("down_blocks", "up_blocks"):
        for i, block in enumerate(getattr(student, side)):
            found = _block_of(block, getattr(teacher, side))
            if found is None:
                return []
            at, kept = found
            count = len(getattr(teacher, side)[at].resnets)
            lasts = [*(following - 1 for following in kept[1:]), count - 1]
            pairs += [(f"{side}.{i}.{{}}.{j}", f"{side}.{at}.{{}}.{last}") for j, last in enumerate(lasts)]
    whole = sum(len(block.resnets) for side in (teacher.down_blocks, teacher.up_blocks) for block in side)
    return pairs if len(pairs) < whole else []


def feature_pairs(pairs: list[Pair], student: Any) -> list[tuple[str, str]]:
    """(teacher module, student module) inside of up blocks, which a block's end alone leaves free: all but the last."""
    chosen = []
    for ours, theirs in pairs:
        block, _, index = ours.partition(".{}.")
        module = student.get_submodule(block)
        if block.startswith("up") and int(index) + 1 < len(module.resnets):
            kind = "attentions" if hasattr(module, "attentions") else "resnets"
            chosen.append((theirs.format(kind), ours.format(kind)))
    return chosen


def fit(teacher: Any, student: Any, pairs: list[Pair], batch: Batch) -> dict[str, Any]:
    """Fits ``student`` in place, in one pass of both U-Nets over ``batch``. The report (JSON): the fitted maps, and the
    mean squared error of the U-Net's output before the last of them was fitted, and after.

    A map that reads more columns than there are rows stays as it was.
    """
    import torch

    inputs = batch.noisy, batch.timesteps, batch.states
    kinds = {ours: [kind for kind in ("resnets", "attentions") if _has(student, ours, kind)] for ours, _ in pairs}
    taps = Taps(teacher, [theirs.format(kind) for ours, theirs in pairs for kind in kinds[ours]])
    errors: list[tuple[float, float]] = []
    with torch.no_grad(), ExitStack() as hooks:
        output = teacher(*inputs).sample
        taps.remove()
        for ours, theirs in pairs:
            for kind in kinds[ours]:
                module, target = student.get_submodule(ours.format(kind)), taps.outputs[theirs.format(kind)]
                if kind == "attentions":
                    module.load_state_dict(teacher.get_submodule(theirs.format(kind)).state_dict())
                    _aim(module, [module.proj_out], True, target, errors, hooks)
                else:
                    shortcut = module.conv_shortcut
                    maps = [module.conv2] if shortcut is None else [module.conv2, shortcut]
                    _aim(module, maps, shortcut is None, target, errors, hooks)
        _aim(student.conv_out, [student.conv_out], False, output, errors, hooks)
        student(*inputs)
    before, after = errors[-1]
    return {"maps": len(errors), "pictures": len(batch.noisy), "error": {"before": before, "after": after}}


def _aim(
    module: Any, maps: list[Any], residual: bool, target: torch.Tensor, errors: list[tuple[float, float]], hooks: Any
) -> None:
    """When ``module`` runs, its ``maps``, whose sum is its output (with its input, where it is ``residual``), are
    fitted to ``target`` [B, C, h, w], and it gives what it then gives."""
    import torch

    inputs: dict[Any, torch.Tensor] = {}

    def keep(of: Any, given: tuple, named: dict) -> None:
        inputs[of] = given[0] if given else named["hidden_states"]

    def hook(_module: Any, _given: Any, output: Any) -> Any:
        now = output[0] if isinstance(output, tuple) else output
        found = _solve(maps, [inputs[each] for each in maps], target.float() - now.float())
        if found is None:
            return None
        errors.append(found)
        with torch.autocast(now.device.type, enabled=False):  # whose copies of weights are those before the fit
            parts = [_picture(each.forward(inputs[each].float()), now) for each in maps]
        made = sum(parts, inputs[module] if residual else torch.zeros(())).to(now.dtype)
        return (made, *output[1:]) if isinstance(output, tuple) else made

    for each in {module, *maps}:
        hooks.callback(each.register_forward_pre_hook(keep, with_kwargs=True).remove)
    hooks.callback(module.register_forward_hook(hook).remove)


def _solve(maps: list[Any], inputs: list[torch.Tensor], lacking: torch.Tensor) -> tuple[float, float] | None:
    """Changes the maps so that their sum grows by ``lacking`` [B, C, h, w] as nearly as it can; the mean squares of it
    before and after. None: too few rows, and nothing was changed."""
    import torch

    batch, channels, height, width = lacking.shape
    count = batch * height * width
    rows = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:_ROWS].sort().values.to(lacking.device)
    with torch.autocast(lacking.device.type, enabled=False):
        columns = [_rows(each, given.float(), rows, height * width) for each, given in zip(maps, inputs, strict=True)]
        x = torch.cat([*columns, torch.ones(len(rows), 1, device=lacking.device)], 1)
        if len(x) < x.shape[1]:
            return None
        y = lacking.permute(0, 2, 3, 1).reshape(count, channels)[rows]
        gram = x.T @ x
        gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
        change = torch.linalg.solve(gram, x.T @ y)
        for each, part in zip(maps, change[:-1].split([c.shape[1] for c in columns]), strict=True):
            each.weight.add_(part.T.reshape(each.weight.shape))
        maps[0].bias.add_(change[-1])
        return float(y.square().mean()), float((y - x @ change).square().mean())


def _rows(layer: Any, given: torch.Tensor, rows: torch.Tensor, positions: int) -> torch.Tensor:
    """What the layer multiplies its weight with at some output positions [rows, K], counted over all pictures."""
    import torch

    if layer.weight.ndim == 2:
        return given.flatten(0, -2)[rows]
    kernel = layer.weight.shape[-1]
    picked = []
    for i in rows.div(positions, rounding_mode="floor").unique().tolist():
        inside = rows[(rows >= i * positions) & (rows < (i + 1) * positions)] - i * positions
        patches = torch.nn.functional.unfold(given[i : i + 1], kernel, padding=layer.padding)
        picked.append(patches[0].T[inside])
    return torch.cat(picked)


def _picture(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A linear's output [B, h·w, C] as [B, C, h, w]; a convolution's is that already."""
    return values if values.ndim == 4 else values.transpose(1, 2).reshape(like.shape)


def _block_of(block: Any, theirs: Any) -> tuple[int, list[int]] | None:
    for at, candidate in enumerate(theirs):
        found = [k for own in block.resnets for k, other in enumerate(candidate.resnets) if _same(other, own)]
        if len(found) == len(block.resnets):
            return at, found
    return None


def _same(one: Any, other: Any) -> bool:
    import torch

    mine, theirs = one.conv1.weight, other.conv1.weight
    return mine.shape == theirs.shape and torch.equal(mine.float().cpu(), theirs.float().cpu())


def _has(unet: Any, layer: str, kind: str) -> bool:
    return hasattr(unet.get_submodule(layer.partition(".{}.")[0]), kind)
