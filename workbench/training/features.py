"""Feature taps: outputs of named modules, kept while a forward pass runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, did_you_mean
from workbench.models.widths import Widths
from workbench.models.widths.load_pruned import channels_of

if TYPE_CHECKING:
    import torch

_LAST_FIRST = ("downsamplers", "upsamplers", "attentions", "resnets")
"""A block's lists of layers; the output of the first that it has is the block's."""
_ENDS = ("conv", "proj_out", "conv2")
"""The last layer of a sampler, a transformer, a residual block."""


class Taps:
    """Keeps the outputs of the named modules of ``model``; of a tuple the first (a down block's hidden state)."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]) -> None:
        self.outputs: dict[str, torch.Tensor] = {}
        self._hooks = [model.get_submodule(name).register_forward_hook(self._keep(name)) for name in names]

    def remove(self) -> None:
        """Ends it; what was kept stays."""
        for hook in self._hooks:
            hook.remove()

    def _keep(self, name: str) -> Any:
        def hook(_module: torch.nn.Module, _inputs: object, output: Any) -> None:
            self.outputs[name] = output[0] if isinstance(output, tuple) else output

        return hook


class FeatureLoss:
    """Σ MSE(student's feature, teacher's) over pairs of modules, of the forward passes that ran last.

    A pruned student is compared with those of the teacher's channels that it kept.
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        pairs: Sequence[tuple[str, str]] | None,
        widths: tuple[Widths | None, Widths | None] = (None, None),
    ) -> None:
        """Taps both U-Nets.

        Args:
            teacher: ``UNet2DConditionModel``.
            student: likewise.
            pairs: (teacher module, student module); None: BK-SDM's for the two U-Nets.
            widths: the manifests of teacher and student, where they were pruned.

        Raises:
            InputError: a module isn't there, or a pair's widths differ and which channels were kept isn't known.
        """
        import torch

        all_pairs = pairs or published_pairs(teacher.config, student.config)
        self._pairs = []
        for of_teacher, of_student in all_pairs:
            theirs, ours = (maker(net, name) for net, name in ((teacher, of_teacher), (student, of_student)))
            wide, narrow = (_outputs(net, name) for net, name in ((teacher, theirs), (student, ours)))
            places = _places(widths, theirs, ours, wide)
            self._pairs.append((of_teacher, of_student, None if places is None else torch.tensor(places)))
            if wide != narrow and places is None:
                raise InputError(
                    f"distill.feature_pairs: {of_teacher} has {wide} channels, {of_student} {narrow}, and which "
                    "of them they are isn't known",
                    hint="pair modules whose widths agree, or set weights.feature to 0",
                )
        self._teacher = Taps(teacher, [t for t, _, _ in self._pairs])
        self._student = Taps(student, [s for _, s, _ in self._pairs])

    def expected(self) -> tuple[torch.Tensor, ...]:
        """What the student's features should be, by the teacher's pass that ran last."""
        found = []
        for of_teacher, _, kept in self._pairs:
            feature = self._teacher.outputs[of_teacher]
            if kept is not None:
                feature = feature.index_select(1 if feature.ndim == 4 else -1, kept.to(feature.device))
            found.append(feature)
        return tuple(found)

    def __call__(self, expected: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """The sum, unweighted, of the student's pass that ran last; ``expected``: of another pass of the teacher."""
        import torch

        total = torch.zeros(())
        for (_, of_student, _), feature in zip(self._pairs, expected or self.expected(), strict=True):
            total = total + torch.nn.functional.mse_loss(self._student.outputs[of_student].float(), feature.float())
        return total


def maker(unet: torch.nn.Module, name: str) -> str | None:
    """The layer whose output channels are those of the module ``name``; None where that isn't known.

    Raises:
        InputError: there is no such module.
    """
    try:
        module: Any = unet.get_submodule(name)
    except AttributeError:
        meant = did_you_mean(name, (n for n, _ in unet.named_modules()))
        raise InputError(f"distill.feature_pairs: the U-Net has no module {name}{meant}") from None
    if channels_of(module) is not None:
        return name
    for kind in _LAST_FIRST:
        if len(getattr(module, kind, None) or ()):
            name, module = f"{name}.{kind}.{len(getattr(module, kind)) - 1}", getattr(module, kind)[-1]
            break
    return next((f"{name}.{end}" for end in _ENDS if hasattr(module, end)), None)


def _outputs(unet: torch.nn.Module, layer: str | None) -> int | None:
    channels = channels_of(unet.get_submodule(layer)) if layer else None
    return channels[1] if channels else None


def _places(
    widths: tuple[Widths | None, Widths | None], theirs: str | None, ours: str | None, wide: int | None
) -> list[int] | None:
    """Where among the teacher's output channels those are that a pruned student kept; None where it isn't known."""
    teacher, student = widths
    left = student.kept.get(ours or "") if student else None
    if left is None:
        return None
    has = (teacher.kept.get(theirs or "") if teacher else None) or tuple(range(wide or 0))
    return [has.index(channel) for channel in left] if set(left) <= set(has) else None


def published_pairs(teacher: Mapping[str, Any], student: Mapping[str, Any]) -> list[tuple[str, str]]:
    """BK-SDM's feature pairs (teacher module, student module) for two U-Net configs.

    Source: BK-SDM's training script. Blocks pair level by level; where the student lost its deepest levels, its last
    down block has no downsampler, so there the last attention's ``proj_out`` stands in for the block.
    """
    levels, kept = len(teacher["block_out_channels"]), len(student["block_out_channels"])
    shift = levels - kept
    if shift == 0:
        down = [(f"down_blocks.{i}", f"down_blocks.{i}") for i in range(kept)]
    else:
        last = kept - 1
        down = [(f"down_blocks.{i}", f"down_blocks.{i}") for i in range(last)]
        ends = [f"down_blocks.{last}.attentions.{_layers(c, last) - 1}.proj_out" for c in (teacher, student)]
        down.append((ends[0], ends[1]))
    return down + [(f"up_blocks.{i + shift}", f"up_blocks.{i}") for i in range(kept)]


def _layers(config: Mapping[str, Any], level: int) -> int:
    layers = config["layers_per_block"]
    return layers if isinstance(layers, int) else layers[level]
