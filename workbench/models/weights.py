"""Weight files as they lie on disk: found, and read by their headers alone, without torch."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import InputError, RunError
from workbench.models.read_json import read_object

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_EXPONENTS: Mapping[str, tuple[str, int]] = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F800000),
    "F64": ("<u8", 0x7FF0000000000000),
}
"""Of each type the bits that are all set in nan and inf, and in no other number."""
_AT_ONCE = 1 << 22
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


def load_tensors(files: Sequence[Path], widen: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of one network, from its files.

    ``widen``: those in half precision as float32. They are read one by one: the file isn't in memory beside them.

    Raises:
        RunError: one of them isn't finite.
    """
    from safetensors.torch import load_file

    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        check_finite(file)
        narrow = widen and set(read_header(file).types.values()) <= {"F16", "BF16"}
        tensors.update(_widened(file) if narrow else load_file(file))
    return tensors


def _widened(file: Path) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    kinds = {"F16": torch.float16, "BF16": torch.bfloat16}
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            stream.seek(8 + length + begin)
            values = bytearray(stream.read(end - begin))
            narrow = torch.frombuffer(values, dtype=kinds[entry["dtype"]]) if values else torch.zeros(0)
            yield name, narrow.reshape(entry["shape"]).float()


def check_finite(file: Path) -> None:
    """Looks at every number in a safetensors file, in pieces: 2 GB a second.

    Raises:
        RunError: one isn't finite; the message names the tensor.
    """
    import numpy as np

    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    content = np.memmap(file, np.uint8, "r", 8 + length) if file.stat().st_size > 8 + length else np.zeros(0, np.uint8)
    for name, entry in header.items():
        kind, mask = _EXPONENTS.get(entry.get("dtype", ""), ("", 0))
        if not kind:
            continue
        begin, end = entry["data_offsets"]
        values = content[begin:end].view(kind)
        for start in range(0, len(values), _AT_ONCE):
            if ((values[start : start + _AT_ONCE] & mask) == mask).any():
                raise RunError(
                    f"{file}: {name} holds numbers that aren't finite (nan or inf)", hint="download or copy it again"
                )


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
