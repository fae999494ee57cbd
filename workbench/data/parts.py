"""Where the bytes of pictures and captions lie: in files of their own, in tars, in parquet files."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.errors import InputError

MOST_BYTES = 512 * 1024**2
"""More than the largest picture that is read takes without compression."""


@dataclass(frozen=True)
class Span:
    """A whole file, or ``length`` of its bytes from ``offset`` on, as a tar holds its members."""

    file: Path
    offset: int = 0
    length: int = MOST_BYTES + 1

    def read(self, most: int = MOST_BYTES) -> bytes:
        """The bytes, no more than one beyond ``most``; OSError where they can't be read, from a pipe among others."""
        handle = os.open(self.file, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(0, "not a regular file")
            file.seek(self.offset)
            return file.read(min(self.length, status.st_size, most + 1))


@dataclass(frozen=True)
class Cell:
    """A cell of a parquet file: bytes, or a picture of ``datasets`` (``bytes`` and ``path``); ``name`` is a label."""

    file: Path
    column: str
    group: int
    row: int
    name: str

    def read(self, most: int = MOST_BYTES) -> bytes:
        """The bytes; rows in order read every group of rows once."""
        cell = _column(self.file, self.column, self.group)[self.row].as_py()
        data = cell["bytes"] if isinstance(cell, dict) else cell
        return b"" if data is None else data[: most + 1]


Part = Span | Cell


@lru_cache(maxsize=1)
def _column(file: Path, column: str, group: int) -> Any:
    with open_parquet(file) as table:
        return table.read_row_group(group, [column])[column]


def arrow(file: Path) -> Any:
    """The module ``pyarrow``, its parquet loaded.

    Raises:
        InputError: it isn't installed; the message names the file.
    """
    try:
        import pyarrow.parquet

        return pyarrow
    except ImportError:
        raise InputError(
            f"{file}: parquet is read by pyarrow, which isn't installed",
            hint="install it: pip install 'edge-workbench[parquet]'",
        ) from None


def open_parquet(file: Path) -> Any:
    """``pyarrow.parquet.ParquetFile`` of the file.

    Raises:
        InputError: as ``arrow``, or the file isn't parquet.
    """
    library = arrow(file)
    try:
        return library.parquet.ParquetFile(file)
    except (library.ArrowException, OSError) as error:
        raise InputError(f"{file}: not a parquet file ({str(error).splitlines()[0]})") from None
