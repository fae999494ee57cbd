"""Captioned pictures in the forms in which people have them. A further form is one more entry of ``FORMS``."""

from __future__ import annotations

import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from workbench.data.lines import decoded
from workbench.data.operation import HELD_OUT, TRAIN, Row
from workbench.data.parts import Part, Span
from workbench.data.tables import is_text, parse, picture_of, records, text_of
from workbench.errors import InputError
from workbench.store.files import unreadable

PICTURES = "pictures"
_SUFFIXES = frozenset(("bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp"))
_HELD_OUT = (HELD_OUT, "test", "validation", "valid", "val", "dev")
_SPLIT = re.compile(rf"(?:^|/)({'|'.join((TRAIN, *_HELD_OUT))})(?![^-_./0-9])")
_MOST_CAPTION_BYTES = 1024**2
_LONGEST_NAME = 200
"""Bytes; file systems take 255, and files have longer names while they are written."""
_HINT = (
    "needs pictures with metadata.jsonl, metadata.csv or a .txt beside each, tars of pictures with texts, or parquet "
    "(docs/data.md)"
)


@dataclass(frozen=True)
class Form:
    """``files``: which of a folder's files (posix names) are of this form; ``rows``: the rows in them."""

    name: str
    files: Callable[[Sequence[str]], list[str]]
    rows: Callable[[Path, Sequence[str]], Iterator[Row]]


def read_rows(path: Path) -> list[Row]:
    """All rows of a folder, or of the one file that is named, in order.

    Raises:
        InputError: there are no captions, captions in more than one form, or a row that can't be read or whose picture
            isn't in the folder; with its place. Pictures aren't opened.
    """
    folder, form, files = _find(path)
    rows = list(form.rows(folder, files))
    if not rows:
        raise InputError(f"{folder / files[0]}: no pictures in it")
    return rows


def files_of(path: Path) -> list[Path]:
    """The files that decide what a set is: all of a folder's; of a file, itself and those that it names."""
    if stat.S_ISDIR(_mode(path)):
        files = {path / name for name in _walk(path)}
    else:
        files = {path, *(row.picture.file for row in read_rows(path))}
    return sorted(file for file in files if stat.S_ISREG(_mode(file)))


def _find(path: Path) -> tuple[Path, Form, list[str]]:
    if stat.S_ISREG(_mode(path)):
        form = next((form for form in FORMS if form.files([f"metadata{path.suffix}"])), None)
        if form is None:
            raise InputError(f"{path}: no form of captioned pictures", hint=_HINT)
        return path.parent, form, [path.name]
    if not stat.S_ISDIR(_mode(path)):
        raise InputError(f"{path}: no such folder or file ({path.absolute()})", hint=_HINT)
    names = _walk(path)
    there = [(form, files) for form in FORMS if (files := form.files(names))]
    if len(there) > 1:
        forms = " and ".join(f"{form.name} ({files[0]})" for form, files in there)
        raise InputError(f"{path}: captions in more than one form: {forms}", hint="keep one, or name its file")
    if not there:
        raise InputError(f"{path}: {sum(map(_is_picture, names))} pictures and no captions there", hint=_HINT)
    form, files = there[0]
    for name in files:
        if not _is_picture(name) and (problem := unreadable(path / name)):
            raise InputError(f"{path / name}: {problem.removeprefix('which ')}")
    return path, form, files


def _mode(path: Path) -> int:
    """0 where there is nothing that can be looked at, over-long names and loops of links among it."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def _walk(folder: Path) -> list[str]:
    """Posix names of all files below the folder, sorted; without hidden ones and those behind links to folders."""
    names = []
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = f"{Path(root).relative_to(folder).as_posix()}/".removeprefix("./")
        names += [prefix + name for name in files if not name.startswith(".")]
    return sorted(names)


def _is_picture(name: str) -> bool:
    return name.rpartition(".")[2].lower() in _SUFFIXES


def _split(where: str, name: str, record: Mapping[str, Any]) -> str:
    """What the record says, else what a part of ``name`` begins with ("test-00000-of-00002.parquet"), else train."""
    named = _SPLIT.findall(name)
    split = record.get("split", named[-1] if named else TRAIN)
    if not isinstance(split, str) or split in ("", "total"):  # the manifest counts a total
        raise InputError(f"{where}: split: found {split!r}; needs another text, such as train")
    return HELD_OUT if split in _HELD_OUT else split


def _inside(where: str, folder: Path, root: str, name: str) -> tuple[Span, str]:
    """A file below the folder, whose real path is ``root``, and its name there without links and dots."""
    path = f"{folder}/{name}"
    real = os.path.realpath(path) if os.path.lexists(path) else ""
    if not real.startswith(f"{root}/"):
        raise InputError(f"{where}: no picture {name[:_LONGEST_NAME]!r} in {folder}")
    name = real.removeprefix(f"{root}/")
    return Span(folder / name), name


def _tables(folder: Path, files: Sequence[str]) -> Iterator[Row]:
    root = os.path.realpath(folder)
    for file in files:
        prefix = file.rpartition("/")[0]
        for where, record in records(folder / file):
            picture, text, split = picture_of(where, record), text_of(where, record), _split(where, file, record)
            if isinstance(picture, str):
                span, name = _inside(where, folder, root, f"{prefix}/{picture}" if prefix else picture)
                yield Row(span, name.removeprefix(f"{PICTURES}/"), text, split)
            else:
                yield Row(picture, _of_several(files, file) + picture.name, text, split)


def _of_several(files: Sequence[str], file: str) -> str:
    """What tells the pictures of one of several tars or parquet files from those of the others."""
    return f"{PurePosixPath(file).with_suffix('')}/" if len(files) > 1 else ""


def _metadata(name: str) -> Callable[[Sequence[str]], list[str]]:
    """That file, or else those of its name in the folders below, as where every split has one."""
    return lambda names: [name] if name in names else [below for below in names if below.endswith(f"/{name}")]


def _parquet(names: Sequence[str]) -> list[str]:
    """Without those that only list what is in the tar beside them, as img2dataset writes them."""
    return [name for name in names if name.endswith(".parquet") and f"{name[:-8]}.tar" not in names]


def _texts(name: str) -> tuple[str, str]:
    stem = name.rpartition(".")[0]
    return f"{stem}.txt", f"{stem}.json"


def _beside(names: Sequence[str]) -> list[str]:
    """Pictures and the texts beside them; nothing if no picture has a text."""
    known, pictures = set(names), [name for name in names if _is_picture(name)]
    texts = {text for picture in pictures for text in _texts(picture) if text in known}
    return [*pictures, *sorted(texts)] if texts else []


def _pairs(folder: Path, names: Sequence[str]) -> Iterator[Row]:
    root = os.path.realpath(folder)
    yield from _paired({name: _inside(f"{folder}/{name}", folder, root, name)[0] for name in names}, f"{folder}/")


def _paired(parts: Mapping[str, Part], where: str) -> Iterator[Row]:
    """A row for every picture; without a text beside it the caption is empty."""
    for name, part in parts.items():
        if _is_picture(name):
            if not is_text(name):
                raise InputError(f"{where}: {name!r}: a name that isn't UTF-8")
            txt, json = _texts(name)
            record: Mapping[str, Any] = {"text": ""}
            if txt in parts:
                record = {"text": _text(parts[txt], where + txt).strip()}
            elif json in parts:
                record = parse(where + json, _text(parts[json], where + json))
            split = _split(where + json, name.rpartition("/")[0], record)
            yield Row(part, name, text_of(where + json, record), split)


def _text(part: Part, where: str) -> str:
    try:
        data = part.read(_MOST_CAPTION_BYTES)
    except OSError as error:
        raise InputError(f"{where}: can't be read ({error.strerror})") from None
    if len(data) > _MOST_CAPTION_BYTES:
        return data.decode(errors="replace")
    return "\n".join(decoded(where, data))


def _tars(folder: Path, files: Sequence[str]) -> Iterator[Row]:
    for file in files:
        prefix, split = _of_several(files, file), _split("", file, {})
        for row in _paired(_members(folder / file), f"{folder / file}: "):
            yield Row(row.picture, prefix + row.name, row.text, split if row.split == TRAIN else row.split)


def _members(file: Path) -> dict[str, Part]:
    """Where the members of a tar lie in it; nothing is unpacked."""
    parts: dict[str, Part] = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if problem := _problem(member, path):
                    raise InputError(f"{file}: {member.name[:_LONGEST_NAME]!r}: {problem}")
                if member.isreg() and not any(part.startswith(".") for part in path.parts):
                    parts[path.as_posix()] = Span(file, member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"{file}: not a plain tar ({error})", hint="a compressed tar has to be decompressed") from None
    folders = {str(folder) for name in parts for folder in PurePosixPath(name).parents}
    if both := sorted(folders & parts.keys()):
        raise InputError(f"{file}: {both[0]!r}: both a file and a folder")
    return parts


def _problem(member: tarfile.TarInfo, path: PurePosixPath) -> str | None:
    """Why a member can't be a file of a set."""
    if path.is_absolute() or ".." in path.parts or "\0" in member.name:
        return "a name that leaves the set"
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        return f"a name of more than {_LONGEST_NAME} bytes"
    if member.isdir() or (member.isreg() and not member.issparse()):
        return None
    return "a link, a device or a pipe; needs a file"


FORMS = (
    Form("metadata.jsonl", _metadata("metadata.jsonl"), _tables),
    Form("metadata.csv", _metadata("metadata.csv"), _tables),
    Form("parquet", _parquet, _tables),
    Form("tars", lambda names: [name for name in names if name.endswith(".tar")], _tars),
    Form("a text beside each picture", _beside, _pairs),
)
