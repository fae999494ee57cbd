"""Users' text files: UTF-8 lines that end with a line feed and nothing else.

``str.splitlines`` also splits at U+2028, U+0085 and similar characters, which can occur in a caption.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import InputError
from workbench.store.files import unreadable

MOST_BYTES = 2**24
"""Of a file of prompts: all of them are read before any work."""


def numbered(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that aren't blank, with their numbers from 1.

    Raises:
        InputError: the file can't be read, or a line isn't UTF-8; with file and line.
    """
    return ((number, line) for number, line in enumerate(decoded(file, content(file)), 1) if line.strip())


def content(file: Path) -> bytes:
    """The file's bytes; an ``InputError`` where it can't be read."""
    if problem := unreadable(file):
        raise InputError(f"{file}: {problem.removeprefix('which ')}")
    return file.read_bytes()


def decoded(where: object, text: bytes) -> Iterator[str]:
    """All lines, without their line feeds; an ``InputError`` where one isn't UTF-8."""
    for number, line in enumerate(text.removeprefix(codecs.BOM_UTF8).split(b"\n"), 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            what = f"found the byte 0x{line[error.start]:02x} in column {error.start + 1}"
            raise InputError(f"{where}:{number}: not UTF-8: {what}", hint="save the file as UTF-8") from None


def prompts_problem(file: Path) -> str | None:
    """Why ``file`` can't be read as prompts, one a line, after "found …, "; None where it can."""
    if problem := unreadable(file, MOST_BYTES):
        return problem
    try:
        return None if sum(1 for _ in numbered(file)) else "which is empty; needs one prompt a line"
    except InputError as error:
        return f"which can't be read ({error.line})"
