"""Captioned pictures as latents: the set that comes with a model, or a user's.

A model folder can hold ``data/captions.json`` (rows of ``caption`` and ``split``) with ``data/pictures.safetensors``
(``latents`` [N, C, h, w] and, where there is a scorer, its ``features`` [N, F]).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from workbench.data.broken import look, say, without_caption
from workbench.data.encode import encode, stored_latents
from workbench.data.forms import files_of, read_rows
from workbench.data.operation import TRAIN
from workbench.errors import InputError
from workbench.models.families import family_of
from workbench.models.weights import read_header
from workbench.progress import Progress, quiet
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    import torch

EMBEDDED = (None, "demo")
"""Values of ``data`` for the pictures that the model brings."""
CAPTIONS, LATENTS = "captions.json", "pictures.safetensors"
"""A folder of latents with their captions."""
_OWN = Path("data")
REAL_PICTURES = _OWN / LATENTS
"""In a model's folder: latents and features of the pictures that it brings."""
_CAPTIONS = _OWN / CAPTIONS


class Caption(TypedDict):
    """A row of ``captions.json``."""

    caption: str
    split: str


@dataclass(frozen=True)
class Captioned:
    """``latents`` float [N, C, h, w] (scaled as the U-Net expects them), ``captions`` N texts, ``split`` N names."""

    latents: torch.Tensor
    captions: list[str]
    split: list[str]

    def part(self, split: str) -> list[int]:
        """Rows of one split."""
        return [i for i, s in enumerate(self.split) if s == split]


def rows(data: str | None, source: Path) -> Sequence[Caption]:
    """Caption and split of every picture, as far as can be known without opening the pictures.

    Raises:
        InputError: there is no such data, or a row of it can't be read.
    """
    if data not in EMBEDDED:
        if _encoded(Path(data or "")):
            return _embedded(Path(data or "") / CAPTIONS)
        usable = (row for row in read_rows(Path(data or "")) if without_caption(row.name, row.text) is None)
        return [Caption(caption=row.text, split=row.split) for row in usable]
    if data == "demo" and not (source / _CAPTIONS).is_file():
        raise InputError("data: demo goes with model: demo only", hint="name a folder of captioned pictures")
    return _embedded(source / _CAPTIONS)


def _encoded(folder: Path) -> bool:
    return (folder / CAPTIONS).is_file() and (folder / LATENTS).is_file()


def _embedded(file: Path) -> list[Caption]:
    if not file.is_file():
        raise InputError("data: this model brings no captioned pictures", hint="name a folder of captioned pictures")
    try:
        table = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror})") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: not valid JSON ({error.msg})") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8", hint="save the file as UTF-8") from None
    if not isinstance(table, list) or not all(_is_row(row) for row in table):
        raise InputError(f"{file}: needs a list of rows with caption and split")
    return table


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("caption", "split"))


def captions(data: str | None, source: Path, split: str = TRAIN) -> list[str]:
    """The captions of one split."""
    return [row["caption"] for row in rows(data, source) if row["split"] == split]


def is_there(data: str | None, source: Path) -> bool:
    """Whether the recipe names captioned pictures or the model comes with some."""
    return data is not None or (source / _CAPTIONS).is_file()


def data_key(data: str | None, source: Path, store: Store) -> str:
    """A key of the contents; "none" when neither the model nor the recipe has data."""
    if not is_there(data, source):
        return "none"
    path = source / _OWN if data in EMBEDDED else Path(data or "")
    return key_of({"data": store.folder_hash(path if path.is_dir() else path.parent, files_of(path))})


def check(data: str | None, source: Path) -> set[str]:
    """The splits there are, after a look at some of the pictures; of a model's own at the header of their file.

    Raises:
        InputError: as ``rows`` does, or no picture can be used.
    """
    table = rows(data, source)
    if data not in EMBEDDED:
        look(read_rows(Path(data or "")))
    else:
        file, family = source / REAL_PICTURES, family_of(source)
        if not file.is_file():
            raise InputError(f"{file}: missing")
        shape = read_header(file).shapes.get("latents", ())
        needed = (len(table), *family.latent(family.configs(source))[1:])
        if tuple(shape) != needed:
            what = "one for each caption, of the shape that the denoiser takes"
            raise InputError(f"{file}: found latents of shape {list(shape)}; needs {list(needed)}, {what}")
    return {row["split"] for row in table}


def load(data: str | None, source: Path, progress: Progress = quiet) -> Captioned:
    """The set as latents; a user's pictures are encoded by the model's autoencoder first.

    Pictures that can't be read and those without captions are left out and named in a warning.

    Raises:
        InputError: as ``rows`` does, or no picture can be used.
    """
    from safetensors.torch import load_file

    path = source / _OWN if data in EMBEDDED else Path(data or "")
    if data in EMBEDDED or _encoded(path):
        latents, table = load_file(path / LATENTS)["latents"].float(), rows(data, source)
        return Captioned(latents, [row["caption"] for row in table], [row["split"] for row in table])
    there = read_rows(path)
    stored = stored_latents(path, len(there), source)
    if stored is None:
        stored, done = encode(there, source, progress)
        say(done.dropped, f"{len(there)} pictures of {path}")
        there = done.rows
    return Captioned(stored, [row.text for row in there], [row.split for row in there])
