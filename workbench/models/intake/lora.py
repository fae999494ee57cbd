"""LoRAs added to a model's weights, once: weight + scale · alpha / rank · up · down; nothing else knows of them.

As diffusers' ``load_lora_weights`` and ``fuse_lora`` do (a test holds one against the other), without the library that
these need; and whole: of a text encoder of which a file changes some projections only, diffusers 0.42 drops them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.models.families import family_of
from workbench.models.folder import MADE
from workbench.models.intake import outline
from workbench.models.intake.lora_file import Change, Networks, changes_of, problems_of
from workbench.models.intake.model import Lora
from workbench.models.weights import load_tensors, weight_files
from workbench.progress import Tick

if TYPE_CHECKING:
    import torch


def _networks(folder: Path) -> Networks:
    """The shapes of the networks that a LoRA may change, from the configs in a pipeline's folder."""
    return {
        part.folder: part.shapes(folder / part.folder) for part in family_of(folder).parts if part.role != "decoder"
    }


@dataclass(frozen=True)
class WithLoras:
    """The pipeline in ``folder`` with ``loras`` on top, in order."""

    folder: Path
    loras: Sequence[Lora]

    @property
    def files(self) -> list[Path]:
        """Whose contents decide what comes out, beside the outline."""
        parts = family_of(self.folder).parts
        weights = [file for part in parts for file in weight_files(self.folder / part.folder, part.stem)]
        return [*weights, *(Path(lora.path) for lora in self.loras)]

    def problems(self) -> list[str]:
        """Files that aren't there, aren't LoRAs, or are for another model."""
        networks = _networks(self.folder)
        return [what for lora in self.loras for what in problems_of(Path(lora.path), networks)]

    def outline(self, out: Path) -> None:
        """Writes the folder without the weights."""
        outline.copy_outline(self.folder, out, family_of(self.folder))
        if not (out / MADE).is_file():
            outline.note(out, str(self.folder), [])
        names = " and ".join(f"{Path(lora.path).name} × {lora.scale:g}" for lora in self.loras)
        outline.note(out, names, [])

    def weights(self, out: Path, tick: Tick) -> None:
        """Writes the weights: those that are changed in float32, the others as they are."""
        from safetensors.torch import load_file, save_file

        networks = _networks(self.folder)
        loaded = [(lora.scale, changes_of(f := Path(lora.path), networks), load_file(f)) for lora in self.loras]
        for done, part in enumerate(family_of(self.folder).parts, 1):
            target = out / part.folder / f"{part.stem}.safetensors"
            files = weight_files(self.folder / part.folder, part.stem)
            if not any(folder == part.folder for _, changes, _ in loaded for folder, _ in changes) and len(files) == 1:
                shutil.copyfile(files[0], target)
                tick(done, part.label)
                continue
            tensors = {part.renamed(name): value for name, value in load_tensors(files).items()}
            for scale, changes, values in loaded:
                for (folder, layer), change in changes.items():
                    if folder == part.folder:
                        name = f"{layer}.weight"
                        tensors[name] = tensors[name].float() + scale * _product(change, values, tensors[name].shape)
            save_file({name: value.contiguous() for name, value in tensors.items()}, target, {"format": "pt"})
            tick(done, part.label)


def _product(change: Change, values: dict[str, torch.Tensor], shape: torch.Size) -> torch.Tensor:
    """What is added to a weight of that shape at scale 1."""
    down, up = values[change.down].float(), values[change.up].float()
    product = (up.flatten(1) @ down.flatten(1)).reshape(shape)
    if change.alpha:
        return product * (float(values[change.alpha]) / len(down))
    return product if change.scale is None else product * change.scale
