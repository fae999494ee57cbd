"""Weight files as they lie on disk: found, and read by their headers alone, without torch."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError, RunError
from workbench.models.read_json import read_object

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
HALF = ("fp16", "bf16")
PLAIN = ("",)
ANY = (*PLAIN, *HALF)
"""Variants of a network's files in the order in which they are taken; "" is the plain name."""
_TO_SAFETENSORS = (
    "where you trust it, a recipe's model: {path: …, allow_pickle: true} converts it; or load it with diffusers or "
    "transformers, then save_pretrained(folder, safe_serialization=True)"
)


@dataclass(frozen=True)
class Tensors:
    """What a safetensors header tells of its tensors by name: shapes, and types such as ``F16``."""

    shapes: Mapping[str, Shape]
    types: Mapping[str, str]

    @property
    def params(self) -> int:
        """Elements in all."""
        return count(self.shapes)


def count(shapes: Mapping[str, Shape]) -> int:
    """Elements of all tensors."""
    return sum(math.prod(shape) for shape in shapes.values())


def read_header(file: Path) -> Tensors:
    """Names, shapes and types of the tensors in a safetensors file, which is as long as they need.

    Raises:
        InputError: the file isn't safetensors, is cut off, or is a Git LFS pointer; the message names it.
    """
    from safetensors import SafetensorError, safe_open

    with file.open("rb") as stream:
        if stream.read(8) == b"version ":
            raise InputError(f"{file}: found a Git LFS pointer, not the weights", hint="run: git lfs pull")
    try:
        with safe_open(file, "np") as opened:
            parts = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  (it isn't a mapping)
            shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
            return Tensors(shapes, {name: part.get_dtype() for name, part in parts.items()})
    except SafetensorError as error:
        raise InputError(
            f"{file}: cut off, or not a safetensors file ({error})", hint="download or copy it again"
        ) from None


def weight_files(folder: Path, stem: str, variants: Sequence[str] = ANY) -> list[Path]:
    """The safetensors files of one network in ``folder``: ``stem.safetensors``, or the shards that its index lists.

    ``variants``: names that are looked for in turn; "" is the plain one, ``fp16`` means ``stem.fp16.safetensors``.

    Raises:
        InputError: there are none, only pickled ones, or the index can't be read or lists a missing shard.
    """
    for name in variants:
        if files := _files_of(folder, stem, name):
            return files
    single = folder / f"{stem}.safetensors"
    pickled = sorted(f for f in folder.iterdir() if f.suffix in PICKLED)
    if pickled:
        raise InputError(
            f"{pickled[0]}: pickled weights can run code and aren't read; needs {single.name}", hint=_TO_SAFETENSORS
        )
    others = sorted(f.name for f in folder.glob("*.safetensors"))
    there = f"found {', '.join(others)}: rename it" if others else "no safetensors file there"
    raise InputError(f"{single}: missing; {there}")


def _files_of(folder: Path, stem: str, variant: str) -> list[Path]:
    """The files of one variant, "" for the plain names; none where it isn't there."""
    infix = f".{variant}" if variant else ""
    single = folder / f"{stem}{infix}.safetensors"
    if single.is_file():
        return [single]
    indices = (f"{stem}.safetensors.index{infix}.json", f"{stem}{infix}.safetensors.index.json")
    index = next((folder / name for name in indices if (folder / name).is_file()), None)
    return sharded(index) if index else []


def sharded(index: Path) -> list[Path]:
    """The files that an index of shards lists, which lie beside it.

    Raises:
        InputError: it can't be read, or lists a file that isn't there.
    """
    listed = read_object(index).get("weight_map")
    files = []
    for name in sorted(set(listed.values()), key=str) if isinstance(listed, dict) and listed else [None]:
        if not isinstance(name, str) or Path(name).name != name:
            raise InputError(f"{index}: weight_map: found {name!r}; needs the names of files beside it")
        files.append(index.parent / name)
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: missing; {index.name} lists it")
    return files


def is_of(name: str, stem: str, variant: str, suffix: str = "safetensors") -> bool:
    """Whether a file's name is that of a variant's weights, or of a shard of them."""
    stem, shard, kind = re.escape(stem), r"(-\d+-of-\d+)?", f"\\.{re.escape(variant)}" if variant else ""
    return re.fullmatch(rf"{stem}({kind}{shard}|{shard}{kind})\.{suffix}", name) is not None


def load_tensors(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The tensors of one network, from its files.

    Raises:
        RunError: one of them isn't finite.
    """
    from safetensors.torch import load_file

    tensors = {}
    for file in files:
        for name, value in load_file(file).items():
            if not_finite(value):
                raise RunError(
                    f"{file}: {name} holds numbers that aren't finite (nan or inf)", hint="download or copy it again"
                )
            tensors[name] = value
    return tensors


def not_finite(value: torch.Tensor) -> bool:
    """Whether a tensor of floats holds nan or inf."""
    import torch

    # The sum is nan or inf where a value is, and takes a third of the time of asking each.
    suspect = value.is_floating_point() and not torch.isfinite(value.sum(dtype=torch.float32))
    return bool(suspect and not torch.isfinite(value).all())


def tensors_of(folder: Path, stem: str, variants: Sequence[str] = ANY) -> Tensors:
    """The tensors of one network over all of its shards.

    Raises:
        InputError: as ``weight_files`` and ``read_header``.
    """
    parts = [read_header(file) for file in weight_files(folder, stem, variants)]
    return Tensors(
        {name: shape for part in parts for name, shape in part.shapes.items()},
        {name: kind for part in parts for name, kind in part.types.items()},
    )


def disagreement(expected: Mapping[str, Shape], found: Mapping[str, Shape]) -> str | None:
    """How the tensors that are there differ from those that a config asks for; None where they don't."""
    wrong = [name for name, shape in expected.items() if found.get(name) != shape]
    if not wrong:
        return None
    first = wrong[0]
    return (
        f"{first} should be {expected[first]}, found {found.get(first, 'nothing')} "
        f"({len(wrong)} of {len(expected)} tensors differ)"
    )
