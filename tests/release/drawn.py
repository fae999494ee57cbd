"""A candidate in a layout, with pictures that our own sampler drew: what its client has to draw, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.evaluate.sampler import Networks, draw
from workbench.models.candidate import Candidate
from workbench.progress import quiet
from workbench.release.agreement import Agreement, agree
from workbench.release.layouts import layout_of
from workbench.release.layouts.base import Order
from workbench.release.pictures import write_pictures

PROMPTS = ["red apple", "a blue fish on a white background"]


def agreement(candidate: Candidate, files: Mapping[str, Path], out: Path, steps: int = 3) -> Agreement:
    """Writes the layout to ``out`` and has its real client draw; ``files``: the components' as a run exports them."""
    order, layout, run = Order(candidate, files), layout_of(candidate), out / "run"
    run.mkdir(parents=True)
    pictures, _ = draw(Networks.load(files, candidate.source, 1), PROMPTS, steps, 3.0, 7)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(run / f"{i}.png")
    scores = {
        "n": 2,
        "steps": steps,
        "guidance_scale": 3.0,
        "seed": 7,
        "prompts": PROMPTS,
        "pictures": ["0.png", "1.png"],
        "seconds": 0.0,
        "schema": 2,
        "metrics": {},
        "paired": [],
    }
    layout.write(order, out)
    stored = write_pictures(candidate, scores, run, 2, out)
    (out / "manifest.json").write_text(json.dumps({"pictures": stored}))
    assert all(np.asarray(Image.open(out / one["file"])).std() > 1 for one in stored["drawn"])
    return agree(out, layout, stored, None, quiet)
