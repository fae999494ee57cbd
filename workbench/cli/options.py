"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.models.families import component_names

RecipeFile = Annotated[
    Path,
    typer.Argument(
        metavar="RECIPE",
        help="Recipe file (YAML), or the name of one that comes with the package.",
        show_default=False,
        autocompletion=lambda incomplete: recipes_like(incomplete),
    ),
]
RecipeOrRun = Annotated[
    Path,
    typer.Argument(
        metavar="RECIPE|RUN",
        help="Recipe file (YAML), or RUN or RUN/CANDIDATE of the store; RUN alone means what it chose.",
        show_default=False,
        autocompletion=lambda incomplete: recipes_like(incomplete),
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override, such as distill.steps=20; may be given several times."),
]
MaxMemory = Annotated[
    float | None,
    typer.Option("--max-memory-gb", metavar="GB", help="Most memory that a stage may plan with, as in the recipe."),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Folder of stored results; default .workbench or $WORKBENCH_STORE."),
]
OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for profiles/ and reports/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document; progress stays on standard error.")]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="demo, a diffusers folder, RUN, RUN/CANDIDATE, arch:NAME, module:function, a .safetensors or ONNX file.",
        show_default=False,
    ),
]
ComponentName = Annotated[
    str | None,
    typer.Option("--component", metavar="NAME", help=f"Only one of a pipeline: {', '.join(component_names())}."),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option("--shape", metavar="INPUT=1x4x64x64", help="Shape of an input; may be given several times."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", metavar="INPUT=NUMBER", help="What all of an input is, such as sr=16000; repeat."),
]


def recipes_like(incomplete: str) -> list[str]:
    """For the shell: names of recipes that come with the package, and files and folders, that begin so."""
    import glob

    from workbench.recipe.shipped import names

    there = sorted(glob.glob(f"{glob.escape(incomplete)}*"))  # noqa: PTH207 — as typed: a Path drops "./"
    folders = [f"{path}/" for path in there if Path(path).is_dir()]
    files = [path for path in there if path.endswith((".yaml", ".yml"))]
    return [*files, *(name for name in names() if name.startswith(incomplete)), *folders]


def shapes_of(given: list[str] | None) -> dict[str, tuple[int, ...]]:
    """``["x=1x4x64x64"]`` as ``{"x": (1, 4, 64, 64)}``; a scalar is ``x=``.

    Raises:
        InputError: one of them isn't of that form, or a side isn't a whole number ≥ 1.
    """
    from workbench.errors import InputError

    shapes: dict[str, tuple[int, ...]] = {}
    for text in given or ():
        name, sign, sides = text.rpartition("=")
        parts = sides.lower().split("x") if sides else []
        if not sign or not name or not all(part.isdecimal() and int(part) for part in parts):
            raise InputError(f"--shape: found {text!r}; needs INPUT=SIDExSIDE…, such as sample=1x4x64x64")
        shapes[name] = tuple(int(part) for part in parts)
    return shapes


def with_memory(overrides: list[str] | None, most_gb: float | None) -> list[str]:
    """The overrides with that of ``--max-memory-gb``."""
    return [*(overrides or ()), *([] if most_gb is None else [f"max_memory_gb={most_gb:g}"])]
