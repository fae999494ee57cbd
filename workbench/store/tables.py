"""Tables as CSV files in which a spreadsheet finds nothing to run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
"""How a text begins that a spreadsheet would compute, or that ``write_csv`` would have given an apostrophe."""


def write_csv(path: Path, table: pd.DataFrame, float_format: str | None = None) -> None:
    """Writes a table without its index; text that would be a formula gets an apostrophe in front, numbers don't.

    A carriage return becomes a line feed, since only that is quoted.
    """

    def quoted(text: str) -> str:
        text = text.replace("\r", "\n")
        return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text

    write_atomic(path, _texts(table, quoted).to_csv(index=False, lineterminator="\n", float_format=float_format))


def read_csv(path: Path) -> pd.DataFrame:
    """A table as ``write_csv`` was given it; only an empty cell is missing, since a layer may be called ``null``.

    Raises:
        OSError: the file can't be read.
        ValueError: it is no table.
    """
    import pandas as pd

    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    return _texts(table, lambda text: text[1:] if text.startswith("'") and FORMULA.match(text) else text)


def _texts(table: pd.DataFrame, changed: Callable[[str], str]) -> pd.DataFrame:
    columns = table.select_dtypes(["object", "string"]).columns
    cells = {name: table[name].map(lambda cell: changed(cell) if isinstance(cell, str) else cell) for name in columns}
    return table.assign(**cells)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
