"""Weight files as they lie on disk: found, and read by their headers alone, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError
from workbench.models.read_json import read_object

Shape = tuple[int, ...]
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_TO_SAFETENSORS = (
    "convert it where you trust it: load it with diffusers or transformers, "
    "then save_pretrained(folder, safe_serialization=True)"
)


@dataclass(frozen=True)
class Tensors:
    """What a safetensors header tells of its tensors by name: shapes, and types such as ``F16``."""

    shapes: Mapping[str, Shape]
    types: Mapping[str, str]

    @property
    def params(self) -> int:
        """Elements in all."""
        return sum(math.prod(shape) for shape in self.shapes.values())


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


def weight_files(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of one network in ``folder``: ``stem.safetensors``, or the shards that its index lists.

    Raises:
        InputError: there are none, only pickled ones, or the index can't be read or lists a missing shard.
    """
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        listed = read_object(index).get("weight_map")
        files = []
        for name in sorted(set(listed.values()), key=str) if isinstance(listed, dict) and listed else [None]:
            if not isinstance(name, str) or Path(name).name != name:
                raise InputError(f"{index}: weight_map: found {name!r}; needs the names of files beside it")
            files.append(folder / name)
        for file in files:
            if not file.is_file():
                raise InputError(f"{file}: missing; {index.name} lists it")
        return files
    pickled = sorted(f for f in folder.iterdir() if f.suffix in PICKLED)
    if pickled:
        raise InputError(
            f"{pickled[0]}: pickled weights can run code and aren't read; needs {single.name}", hint=_TO_SAFETENSORS
        )
    others = sorted(f.name for f in folder.glob("*.safetensors"))
    there = f"found {', '.join(others)}: rename it" if others else "no safetensors file there"
    raise InputError(f"{single}: missing; {there}")


def tensors_of(folder: Path, stem: str) -> Tensors:
    """The tensors of one network over all of its shards.

    Raises:
        InputError: as ``weight_files`` and ``read_header``.
    """
    parts = [read_header(file) for file in weight_files(folder, stem)]
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
