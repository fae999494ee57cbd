"""A release looked at afresh: every hash, and the pictures drawn anew by its client."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from workbench.errors import InputError
from workbench.progress import Progress, Tick
from workbench.release.agreement import Agreement, agree, differing
from workbench.release.figures import MANIFEST, read_manifest
from workbench.release.layouts import layouts
from workbench.release.manifest import CARD, SUMS, Manifest
from workbench.store.files import hash_file

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True)
class Verified:
    """What differs, a sentence each; ``agreement``: None where files are damaged, which are then not loaded."""

    folder: Path
    files: int
    differs: list[str]
    agreement: Agreement | None


def verify(folder: Path, python: Path | None, progress: Progress) -> Verified:
    """Checks all files by hash, then draws the stored pictures in a process of its own and compares.

    Raises:
        InputError: it isn't a shipped folder, or the client isn't there.
        RunError: the client can't load it.
    """
    sums = _sums(folder)
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())
    with progress("check hashes", max(len(names), 1)) as tick:
        differs = list(_differing(folder, sums, names, tick))
    if differs:
        return Verified(folder, len(names), differs, None)
    manifest = cast(Manifest, read_manifest(folder))
    listed = {name: file["sha256"] for name, file in manifest["files"].items()}
    listed |= {name: sums.get(name, "") for name in (MANIFEST, CARD)}
    if apart := sorted(name for name in listed.keys() | sums.keys() if listed.get(name) != sums.get(name)):
        differs = [f"{name}: {MANIFEST} and {SUMS} don't say the same of it" for name in apart]
        return Verified(folder, len(names), differs, None)
    layout = next((one for one in layouts() if one.name == manifest["layout"]), None)
    if layout is None:
        raise InputError(f"{folder}: is in the layout {manifest['layout']!r}, which this workbench doesn't know")
    known, pictures = manifest["agreement"], manifest["pictures"]
    agreement = agree(folder, layout, pictures, python, progress, known["floor_db"] if known else None)
    return Verified(folder, len(names), differing(agreement, pictures), agreement)


def _sums(folder: Path) -> dict[str, str]:
    """The sums by file.

    Raises:
        InputError: the folder has none, or they can't be read.
    """
    file = folder / SUMS
    if not file.is_file():
        read_manifest(folder)  # says what is wrong where it isn't a shipped folder at all
        raise InputError(f"{file}: missing: nothing says what the files have to be", hint="ship it again")
    found = [_LINE.fullmatch(line) for line in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    if not all(found):
        raise InputError(f"{file}: isn't a list of sums", hint="ship it again")
    return {line[2]: line[1] for line in found if line}


def _differing(folder: Path, sums: Mapping[str, str], names: Sequence[str], tick: Tick) -> Iterator[str]:
    for done, name in enumerate(names, 1):
        file = folder / name
        if file.is_symlink():
            yield f"{name}: is a link; needs the file itself"
        elif name in sums and hash_file(file) != sums[name]:
            yield f"{name}: isn't what was shipped (SHA-256 differs)"
        elif name not in sums and name != SUMS:
            yield f"{name}: wasn't shipped"
        tick(done)
    yield from (f"{name}: missing" for name in sums if name not in names)
