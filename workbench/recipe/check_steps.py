"""The chain of a recipe's steps: order, names, files, and what each step says of the U-Net that it would meet."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.models.folder import read_object
from workbench.recipe.hooks import ChangesUNet, ChecksUNet
from workbench.recipe.lines import Place
from workbench.recipe.schema import Recipe

Problem = tuple[Place, str]
"""Where in the recipe, and what is wrong there."""


def chain_problems(recipe: Recipe) -> Iterator[Problem]:
    """What is wrong with the steps whatever the model."""
    yield from _order(recipe)
    yield from _names(recipe)
    yield from _files(recipe)


def _order(recipe: Recipe) -> Iterator[Problem]:
    """Steps that come after one that leaves the kind of model that they need."""
    left_by: int | None = None
    for i, entry in enumerate(recipe.steps):
        if entry.config.needs == "torch" and left_by is not None:
            earlier = recipe.steps[left_by].kind
            what = f"needs a torch model and can't follow {earlier} (steps.{left_by}), which leaves ONNX"
            yield ("steps", i, entry.kind), f"{what}; move it before that step"
        elif entry.config.gives == "onnx" and left_by is None:
            left_by = i


def _names(recipe: Recipe) -> Iterator[Problem]:
    names = recipe.candidate_names()
    for i, entry in enumerate(recipe.steps):
        name = entry.config.candidate or names[i + 1]
        if name == "base":
            yield (
                ("steps", i, entry.kind, "candidate"),
                "found 'base', the name of the untouched model; needs another name",
            )
        elif name in names[: i + 1]:
            taken = names.index(name) - 1
            yield (
                ("steps", i, entry.kind, "candidate"),
                f"found {name!r}, the name of steps.{taken}; needs another name",
            )


def _files(recipe: Recipe) -> Iterator[Problem]:
    for i, entry in enumerate(recipe.steps):
        for key, path in entry.config.files().items():
            if not path.is_file():
                yield ("steps", i, entry.kind, *_split(key)), f"found {str(path)!r}, no such file ({path.absolute()})"
            elif not os.access(path, os.R_OK):
                yield (
                    ("steps", i, entry.kind, *_split(key)),
                    f"found {str(path)!r}, which can't be read (permission denied)",
                )


def unet_problems(recipe: Recipe, folder: Path) -> Iterator[Problem]:
    """What the steps say of the U-Net that each of them would meet; ends at the first that can't work with it."""
    config: Mapping[str, Any] = read_object(folder / "unet" / "config.json")
    names = recipe.candidate_names()
    for i, entry in enumerate(recipe.steps):
        step = entry.config
        found = list(step.check(config, names[: i + 1])) if isinstance(step, ChecksUNet) else []
        yield from ((("steps", i, entry.kind, *_split(key)), what) for key, what in found)
        if found:
            return
        if isinstance(step, ChangesUNet):
            config = step.unet_config_after(config)


def _split(key: str) -> Place:
    return tuple(int(part) if part.isdecimal() else part for part in key.split(".") if part)
