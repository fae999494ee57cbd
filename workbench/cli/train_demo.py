"""``workbench train-demo``: the embedded model again, from raw pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson
from workbench.errors import InputError


def train_demo(
    pictures: Annotated[Path, typer.Option("--pictures", metavar="DIR", help="Unpacked npm emoji-datasource-google.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for checkpoints and the model.")],
    steps: Annotated[
        list[str] | None,
        typer.Option("--steps", metavar="STAGE=N", help="Optimiser steps of a stage; may be given several times."),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Train the U-Net through torch.compile; needs g++.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train the embedded demo model again.

    In stages; a killed stage resumes.
    """
    import json

    from workbench.demo.make import make
    from workbench.progress import visible
    from workbench.store.files import check_writable

    check_writable({out: "--out"})
    counts = dict(_stage_steps(entry) for entry in steps or ())
    facts = make(pictures, out, counts, compiled, visible)
    print(json.dumps(facts, indent=1) if as_json else f"{out / 'demo'}: {json.dumps(facts)}")


def _stage_steps(entry: str) -> tuple[str, int]:
    stage, _, count = entry.partition("=")
    if not count.isdecimal() or int(count) < 1:
        raise InputError(f"--steps {entry}: needs STAGE=N with N ≥ 1, such as unet=4000")
    return stage, int(count)
