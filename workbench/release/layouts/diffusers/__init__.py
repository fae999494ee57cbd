"""Torch candidates, for diffusers: the weights as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.models.families.base import Part
from workbench.models.weights import weight_files
from workbench.models.widths import FILE as WIDTHS
from workbench.models.widths import load_pruned
from workbench.release.layouts.base import Layout, Order
from workbench.release.layouts.pieces import component_config, write_common, write_json


def write(order: Order, out: Path) -> list[str]:
    """A folder as ``save_pretrained`` writes it; a pruned U-Net with its widths, which no config can say."""
    notes: list[str] = []
    write_common(order, out)
    for part in order.candidate.family.parts:
        folder = order.candidate.components[part.name].path
        write_json(out / part.folder / "config.json", component_config(order.candidate, part.name))
        _weights(folder, part, out / part.folder)
        if (folder / WIDTHS).is_file():
            shutil.copyfile(folder / WIDTHS, out / part.folder / WIDTHS)
            shutil.copyfile(LOADER, out / LOADER.name)
            notes.append(PRUNED)
    return notes


LOADER = Path(load_pruned.__file__)
PRUNED = (
    "The U-Net was pruned: its layers are narrower than a config.json of diffusers can say, so that from_pretrained "
    f"alone can't load it; {LOADER.name}, which lies in the folder, can."
)


def _example(order: Order) -> str:
    pruned = (order.candidate.denoiser.path / WIDTHS).is_file()
    load = _PRUNED if pruned else _PLAIN
    draw = 'pipeline("red apple", num_inference_steps={steps}, guidance_scale={guidance}).images[0].save("apple.png")'
    return f"{load}\n{draw}"


_PLAIN = """import torch
from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained("FOLDER", torch_dtype=torch.float32)"""
_PRUNED = f"""import sys

sys.path.append("FOLDER")
from {LOADER.stem} import load

pipeline = load("FOLDER")"""


PREFIX = "text_model."
"""Of every tensor of a text encoder in files of transformers 4, which makes up at random what it doesn't find; 5 reads
both, and writes none."""


def _weights(folder: Path, part: Part, out: Path) -> None:
    """Copies a network's safetensors under the names that libraries look for; shards get an index."""
    from safetensors import safe_open

    files, placed = weight_files(folder, part.stem), dict[str, str]()
    for file in files:
        name = f"{part.stem}.safetensors" if len(files) == 1 else file.name
        _copy(file, out / name, PREFIX if part.role == "prompt encoder" else "")
        with safe_open(out / name, "np") as tensors:
            placed |= dict.fromkeys(tensors.keys(), name)
    if len(files) > 1:
        size = sum(file.stat().st_size for file in files)
        write_json(
            out / f"{part.stem}.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": placed}
        )


def _copy(file: Path, out: Path, prefix: str) -> None:
    """Copies weights; where their names lack the prefix, under names that have it."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(file, "np") as tensors:
        lacking = [name for name in tensors.keys() if not name.startswith(prefix)]  # noqa: SIM118  (no mapping)
    if not lacking:
        shutil.copyfile(file, out)
        return
    named = {name if name.startswith(prefix) else prefix + name: value for name, value in load_file(file).items()}
    save_file(named, out, {"format": "pt"})


LAYOUT = Layout(
    __name__,
    title="diffusers",
    kind="torch",
    order=0,
    distributions=("diffusers", "transformers", "torch"),
    install="pip install diffusers transformers torch",
    write=write,
    example=_example,
)
