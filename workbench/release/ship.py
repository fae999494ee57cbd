"""A candidate of a finished run, written as a release: whole or not at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError, RunError
from workbench.models.candidate import Candidate
from workbench.progress import Progress, warn
from workbench.release.agreement import Missing, agree, differing
from workbench.release.card import card
from workbench.release.layouts import layout_of
from workbench.release.layouts.base import Order
from workbench.release.manifest import (
    CARD,
    Manifest,
    check_tells_no_place,
    files_of,
    manifest_of,
    write_manifest,
    write_sums,
)
from workbench.release.pictures import write_pictures
from workbench.release.place import check_place, whole
from workbench.release.weights import write_weights
from workbench.run.history import Finished
from workbench.runtimes.load import file_size

BESIDE = 20_000_000
"""Bytes that a tokenizer, pictures, figures and configs take at most, by far."""


@dataclass(frozen=True)
class How:
    """``pictures``: how many go with it and are drawn by the client; ``python``: of an environment that has the client,
    None: this one; ``force`` replaces a release that is there."""

    pictures: int = 4
    python: Path | None = None
    force: bool = False


@dataclass(frozen=True)
class Shipped:
    """What was written where."""

    folder: Path
    manifest: Manifest

    @property
    def size_bytes(self) -> int:
        """Of the files that the manifest lists."""
        return sum(file["size_bytes"] for file in self.manifest["files"].values())


def size_of(candidate: Candidate, run: Finished) -> int:
    """Bytes that a release of it takes at most: its files, as torch or as a runtime has them."""
    exports = sum(file_size(file) for file in run.exports[candidate.name].values())
    folders = {one.path for one in candidate.components.values() if one.kind == "torch"}
    return max(exports, sum(f.stat().st_size for folder in folders for f in folder.iterdir() if f.is_file())) + BESIDE


def ship(run: Finished, candidate: Candidate, target: Path, how: How, progress: Progress) -> Shipped:
    """Writes the release to ``target``, with what its client draws.

    Raises:
        InputError: the target can't be written as asked, or no layout takes the candidate.
        RunError: a file can't be written as the layout wants it, or the client draws something else.
    """
    layout = layout_of(candidate)
    target, size = target.absolute(), size_of(candidate, run)
    free = check_place(target, how.force, size)
    print(f"{target}: takes {size / 1e6:,.0f} MB at most, {free / 1e6:,.0f} MB are free", file=sys.stderr, flush=True)
    places = [p for p in (run.folder.parents[1], candidate.source, Path.home(), target.parent) if len(p.parts) > 2]
    data, order = run.data, Order(candidate, run.exports[candidate.name])
    if candidate.name not in data.scores or not data.scores[candidate.name]["prompts"]:
        raise InputError(
            f"{candidate.name}: its run drew no pictures, without which nothing shows that a release draws as it did",
            hint="run it with evaluate.pictures of 2 or more",
        )
    with whole(target) as out:
        with progress(f"write {candidate.name} for {layout.title}", 1):
            notes = layout.write(order, out)
            weights = write_weights(data.recipe, candidate.source, out)
            scores = data.scores[candidate.name]
            pictures = write_pictures(candidate, scores, data.pictures[candidate.name], how.pictures, out)
            manifest = manifest_of(run, order, layout, (weights, pictures, notes), places)
            write_manifest(manifest, out)  # which the client reads what to draw from
        try:
            manifest["agreement"] = agree(out, layout, pictures, how.python, progress)
        except Missing as missing:
            warn(f"{missing.line}; shipped without having been drawn by it")
            manifest["not_drawn"] = "it isn't installed there"
        if manifest["agreement"] and (wrong := differing(manifest["agreement"], pictures)):
            raise RunError("\n".join([f"{layout.title} doesn't draw what the run drew; nothing was shipped", *wrong]))
        manifest["files"] = files_of(out)
        write_manifest(manifest, out)
        (out / CARD).write_text(card(manifest, layout), encoding="utf-8")
        check_tells_no_place(out, places)
        write_sums(out)
    return Shipped(target, manifest)
