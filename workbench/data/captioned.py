"""Captioned pictures as latents: the set that comes with a model, or a user's folder.

A model folder can hold ``data/captions.json`` (rows of ``caption`` and ``split``) with ``data/pictures.safetensors``
(``latents`` [N, C, h, w] and, where there is a scorer, its ``features`` [N, F]). A user's folder follows the
imagefolder convention: pictures, and ``metadata.jsonl`` with ``file_name`` and ``text`` in each line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.encode import encode, stored_latents
from workbench.data.lines import captioned_lines
from workbench.errors import InputError
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    import torch

OWN = "data"


@dataclass(frozen=True)
class Captioned:
    """``latents`` float [N, C, h, w] (scaled as the U-Net expects them), ``captions`` N texts, ``split`` N names."""

    latents: torch.Tensor
    captions: list[str]
    split: list[str]

    def part(self, split: str) -> list[int]:
        """Rows of one split."""
        return [i for i, s in enumerate(self.split) if s == split]


def rows(data: str | None, source: Path) -> list[dict[str, str]]:
    """``caption`` and ``split`` of every picture, without the pictures.

    Raises:
        InputError: there is no such data, or a line of it can't be read.
    """
    folder = _folder(data, source)
    if data in (None, "demo"):
        return _model_rows(folder / "captions.json")
    table = []
    for where, name, text, row in captioned_lines(folder / "metadata.jsonl"):
        if "\0" in name or not _is_inside(folder, name):
            raise InputError(f"{where}: file_name: no picture {name!r} in {folder}")
        table.append({"caption": text, "split": row.get("split", "train"), "file": name})
    if not table:
        raise InputError(f"{folder / 'metadata.jsonl'}: no pictures in it")
    return table


def _is_inside(folder: Path, name: str) -> bool:
    return (folder / name).resolve().is_relative_to(folder.resolve()) and (folder / name).is_file()


def _model_rows(file: Path) -> list[dict[str, str]]:
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


def captions(data: str | None, source: Path, split: str = "train") -> list[str]:
    """The captions of one split."""
    return [row["caption"] for row in rows(data, source) if row["split"] == split]


def is_there(data: str | None, source: Path) -> bool:
    """Whether the recipe names captioned pictures or the model comes with some."""
    return data is not None or (source / OWN / "captions.json").is_file()


def data_key(data: str | None, source: Path, store: Store) -> str:
    """A key of the contents; "none" when neither the model nor the recipe has data."""
    if not is_there(data, source):
        return "none"
    folder = _folder(data, source)
    return key_of({"data": store.folder_hash(folder, [f for f in folder.rglob("*") if f.is_file()])})


def load(data: str | None, source: Path) -> Captioned:
    """The set as latents; a user's pictures are encoded by the model's autoencoder first."""
    from safetensors.torch import load_file

    table = rows(data, source)
    folder = _folder(data, source)
    if data in (None, "demo"):
        latents = load_file(folder / "pictures.safetensors")["latents"].float()
    else:
        stored = stored_latents(folder, len(table), source)
        latents = encode([folder / row["file"] for row in table], source) if stored is None else stored
    return Captioned(latents, [row["caption"] for row in table], [row["split"] for row in table])


def _folder(data: str | None, source: Path) -> Path:
    if data == "demo" and not (source / OWN / "captions.json").is_file():
        raise InputError("data: demo goes with model: demo only", hint="name a folder of captioned pictures")
    folder = source / OWN if data in (None, "demo") else Path(data or "")
    if not (folder / ("captions.json" if data in (None, "demo") else "metadata.jsonl")).is_file():
        what = "this model brings no captioned pictures" if data is None else f"{folder}: no metadata.jsonl there"
        raise InputError(
            f"data: {what}",
            hint='give a folder of pictures with metadata.jsonl, a line: {"file_name": "x.png", "text": "…"}',
        )
    return folder
