"""Tables of captions: JSON lines, CSV, and parquet. A record is a row's values by column.

A caption stands in ``text`` or ``caption``, the picture's name in ``file_name`` or ``image``. Parquet files as
``datasets`` writes them hold pictures themselves: there ``image`` is a ``Cell``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from operator import length_hint
from pathlib import Path, PurePosixPath
from reprlib import Repr
from typing import Any

from workbench.data.lines import content, decoded, numbered
from workbench.data.parts import Cell, arrow, open_parquet
from workbench.errors import InputError

Record = Mapping[str, Any]
TEXT, PICTURE, SPLIT = ("text", "caption"), ("file_name", "image"), "split"
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def records(file: Path) -> Iterator[tuple[str, Record]]:
    """Every record with its place in the file, for messages.

    Raises:
        InputError: the file can't be read, or a record of it; with its place.
    """
    return _READERS.get(file.suffix.lower(), _json_lines)(file)


def text_of(where: str, record: Record) -> str:
    """The caption, empty for null.

    Raises:
        InputError: there is none or more than one, or it is no text.
    """
    name = _name(where, record, TEXT)
    text = "" if record[name] is None else record[name]
    if not is_text(text):
        raise InputError(f"{where}: {name}: found {_SHORT.repr(text)}; needs a caption in quotes")
    return text


def picture_of(where: str, record: Record) -> str | Cell:
    """The picture's name (posix), or the picture itself.

    Raises:
        InputError: there is none or more than one, or it is neither.
    """
    name = _name(where, record, PICTURE)
    picture = record[name]
    if isinstance(picture, Cell):
        return picture
    if not is_text(picture) or not picture:
        raise InputError(f"{where}: {name}: found {_SHORT.repr(picture)}; needs the name of a picture")
    return PurePosixPath(picture).as_posix()


def _name(where: str, record: Record, names: tuple[str, ...]) -> str:
    there = [name for name in names if name in record]
    if len(there) != 1:
        columns = _SHORT.repr(sorted(map(str, record)))
        raise InputError(f"{where}: found {columns}; needs one of {' and '.join(names)}", hint=_EXAMPLE)
    return there[0]


_EXAMPLE = 'a row is like {"file_name": "x.png", "text": "…"}'


def is_text(value: object) -> bool:
    """Whether it is text that can be written as UTF-8."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:  # "\ud800" is valid JSON, but can't be written or printed
        return False


def _json_lines(file: Path) -> Iterator[tuple[str, Record]]:
    for number, line in numbered(file):
        yield f"{file}:{number}", parse(f"{file}:{number}", line)


def parse(where: str, text: str) -> Record:
    """A record as JSON.

    Raises:
        InputError: it is no JSON object.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise InputError(f"{where}: found {_SHORT.repr(text)}; needs a JSON object", hint=_EXAMPLE)
    return record


def _csv(file: Path) -> Iterator[tuple[str, Record]]:
    lines = [f"{line}\n" for line in decoded(file, content(file))]
    rest = iter(lines)
    reader = csv.DictReader(rest, strict=True)
    try:
        names = reader.fieldnames or []
        if len(set(names)) < len(names):
            raise InputError(f"{file}:1: found {_SHORT.repr(names)}; needs every column once")
        for record in reader:
            if None in record or None in record.values():
                raise InputError(f"{file}:{reader.line_num}: needs {len(names)} fields, as the header has")
            yield f"{file}:{reader.line_num}", record
    except csv.Error as error:
        raise InputError(f"{file}:{len(lines) - length_hint(rest)}: not valid CSV ({error})") from None


def _parquet(file: Path) -> Iterator[tuple[str, Record]]:
    with open_parquet(file) as table:
        library = arrow(file)
        types, columns = library.types, {field.name: field.type for field in table.schema_arrow}
        pictures = {name for name in PICTURE if name in columns and not types.is_string(columns[name])}
        read = [name for name in (*TEXT, *PICTURE, SPLIT) if name in columns and name not in pictures]
        labels = [f"{name}.path" for name in pictures if types.is_struct(columns[name])]
        number = 0
        for group in range(table.num_row_groups):
            try:
                values = table.read_row_group(group, [*read, *labels]).to_pylist()
            except (library.ArrowException, OSError, ValueError) as error:
                raise InputError(f"{file}: row {number + 1} or later: {str(error).splitlines()[0]}") from None
            for row, record in enumerate(values):
                number += 1
                cells = {name: Cell(file, name, group, row, _label(record.get(name), number)) for name in pictures}
                yield f"{file}: row {number}", {**dict.fromkeys(columns), **record, **cells}


def _label(picture: Any, number: int) -> str:
    """The last part of the path that the picture once had; else the row's number."""
    path = picture.get("path") if isinstance(picture, dict) else None
    return (path or "").replace("\\", "/").rpartition("/")[2] or f"{number:07d}"


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[str, Record]]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
    ".parquet": _parquet,
}
