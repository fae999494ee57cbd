"""Pictures of a folder of the user's, which metrics hold drawn ones against."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from workbench.data.parts import Span
from workbench.data.pictures import FORMATS, BrokenPicture, header, read
from workbench.errors import RunError

Stamps = tuple[tuple[Path, int, int], ...]
"""Files with their sizes and times: under which what was read of them is kept for the next candidate."""
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def picture_files(folder: Path) -> list[Path]:
    """All pictures below a folder by their names' ends, sorted; without hidden ones. None where there is no folder."""
    files: list[str] = []
    for root, folders, names in os.walk(folder) if folder.is_dir() else ():
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [f"{root}/{name}" for name in names if not name.startswith(".") and name.lower().endswith(_SUFFIXES)]
    return [Path(file) for file in sorted(files)]


def folder_problem(folder: Path, least: int) -> str | None:
    """Why a folder's pictures can't be held against; None where they can. Only the first one is opened."""
    if not folder.is_dir():
        what = "which is a file" if folder.exists() else "no such folder"
        return f"found {str(folder)!r}, {what}; needs a folder of pictures"
    files = picture_files(folder)
    if len(files) < least:
        return f"found {len(files)} pictures in {folder}; needs at least {least} ({', '.join(FORMATS)})"
    if broken := next((file for file in files if not file.is_file()), None):
        return f"{broken}: no file, or one that can't be read"
    try:
        header(Span(files[0]))
    except BrokenPicture as error:
        return f"{files[0]}: {error}"
    return None


def pictures_of(files: Sequence[Path], count: int) -> Iterator[list[np.ndarray]]:
    """The pictures, uint8 [H, W, 3] each, ``count`` at a time.

    Raises:
        RunError: one can't be decoded.
    """
    for i in range(0, len(files), count):
        yield [_picture(file) for file in files[i : i + count]]


def _picture(file: Path) -> np.ndarray:
    try:
        return np.asarray(read(Span(file)))
    except BrokenPicture as error:
        raise RunError(f"{file}: {error}", hint="take it out of the folder, or repair it") from None


def stamps(files: Sequence[Path]) -> Stamps:
    """What changes with files, without reading them."""
    return tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
