"""Folders of real pictures, and the demo's scorer, for the tests of data sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workbench.data.build import build
from workbench.data.operation import Context, Draw, Score
from workbench.data.sets import DataSet
from workbench.models.scorer import load_scorer

MakeFolder = Callable[..., Path]
Make = Callable[..., tuple[Path, dict[str, Any]]]


@pytest.fixture
def folder(tmp_path: Path) -> MakeFolder:
    """Writes a folder of pictures (or raw bytes) with their captions; a third entry is the split."""

    def make(pictures: Mapping[str, tuple[Any, ...]], name: str = "mine") -> Path:
        root = tmp_path / name
        root.mkdir()
        lines = []
        for file, (picture, text, *split) in pictures.items():
            if isinstance(picture, bytes):
                (root / file).write_bytes(picture)
            else:
                picture.save(root / file)
            lines.append({"file_name": file, "text": text} | ({"split": split[0]} if split else {}))
        (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return root

    return make


@pytest.fixture(scope="session")
def demo_score(demo: Path) -> Score:
    """The embedded scorer as data sets take it."""
    scorer = load_scorer(demo)
    assert scorer is not None
    return scorer.agreement


@pytest.fixture
def made(tmp_path: Path, demo: Path) -> Make:
    """Builds the set that ``settings`` tell; gives its folder and manifest."""

    def make(
        settings: dict[str, Any],
        inputs: Mapping[str, Path] | None = None,
        score: Score | None = None,
        draw: Draw | None = None,
        held_out: Sequence[str] = (),
        seed: int = 0,
        source: Path = demo,
        data: str | None = None,
    ) -> tuple[Path, dict[str, Any]]:
        out = tmp_path / "sets" / settings["name"]
        context = Context(source, seed, 64, score, draw, frozenset(held_out), data)
        return out, build(DataSet.model_validate(settings), inputs or {}, context, out)

    return make


@pytest.fixture
def embedded(own_model: Callable[[], Path], demo: Path) -> Callable[..., Path]:
    """A model folder like the embedded one that brings only the pictures of these captions."""

    def make(*captions: Sequence[str]) -> Path:
        from safetensors.torch import load_file, save_file

        every = json.loads((demo / "data" / "captions.json").read_text())
        picked = [next(i for i, row in enumerate(every) if row["caption"] == c) for part in captions for c in part]
        source = own_model()
        for name in ("captions.json", "pictures.safetensors"):
            (source / "data" / name).unlink()
        (source / "data" / "captions.json").write_text(json.dumps([every[i] for i in picked]))
        latents = load_file(demo / "data" / "pictures.safetensors")["latents"][picked].clone()
        save_file({"latents": latents}, source / "data" / "pictures.safetensors")
        return source

    return make
