"""Users' text files: UTF-8 lines that end with a line feed and nothing else.

``str.splitlines`` also splits at U+2028, U+0085 and similar characters, which can occur in a caption.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.store.files import unreadable

MOST_BYTES = 2**24
"""Of a file of prompts: all of them are read before any work."""


def numbered(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that aren't blank, with their numbers from 1.

    Raises:
        InputError: the file can't be read, or a line isn't UTF-8; with file and line.
    """
    if problem := unreadable(file):
        raise InputError(f"{file}: {problem.removeprefix('which ')}")
    content = file.read_bytes()
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            what = f"found the byte 0x{line[error.start]:02x} in column {error.start + 1}"
            raise InputError(f"{file}:{number}: not UTF-8: {what}", hint="save the file as UTF-8") from None
        if text.strip():
            yield number, text


def prompts_problem(file: Path) -> str | None:
    """Why ``file`` can't be read as prompts, one a line, after "found …, "; None where it can."""
    if problem := unreadable(file, MOST_BYTES):
        return problem
    try:
        return None if sum(1 for _ in numbered(file)) else "which is empty; needs one prompt a line"
    except InputError as error:
        return f"which can't be read ({error.line})"


def captioned_lines(file: Path) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """For every line ``FILE:LINE``, ``file_name`` (posix), ``text`` and the complete row.

    Raises:
        InputError: the file can't be read, or a line isn't such a row; with file and line.
    """
    for number, line in numbered(file):
        where = f"{file}:{number}"
        try:
            row = json.loads(line)
            name, text = Path(row["file_name"]).as_posix(), row["text"]
            name.encode()  # "\ud800" is valid JSON, but can't be written or printed
        except (ValueError, KeyError, TypeError):
            raise InputError(f'{where}: found {line[:60]!r}; a line is {{"file_name": "x.png", "text": "…"}}') from None
        if not _is_text(text):
            raise InputError(f"{where}: text: found {text!r}; needs a caption in quotes")
        yield where, name, text, row


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
