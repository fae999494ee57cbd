"""The pictures that go with a release: some of the run's own, and all that drawing them anew takes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import TypedDict

from workbench.metrics.scores import Scores
from workbench.models.candidate import Candidate

FOLDER = "pictures"
NOISE = (
    "Picture INDEX starts from numpy.random.default_rng([SEED, INDEX]).standard_normal((1, *LATENT), dtype=float32). "
    "Noise between steps is torch's, of a Generator seeded with default_rng([SEED, INDEX, 1]).integers(2**63)."
)


class Picture(TypedDict):
    """One picture: its ``index`` among those of the run, and its ``file`` in the release."""

    index: int
    prompt: str
    file: str


class Pictures(TypedDict):
    """``latent``: channels and sides of what is denoised; ``size``: height and width in pixels."""

    seed: int
    steps: int
    guidance_scale: float
    latent: Sequence[int]
    size: Sequence[int]
    noise: str
    drawn: Sequence[Picture]


def write_pictures(candidate: Candidate, scores: Scores, folder: Path, count: int, out: Path) -> Pictures:
    """Copies the first ``count`` pictures of different prompts from the run's ``folder``."""
    first = {prompt: i for i, prompt in reversed(list(enumerate(scores["prompts"])))}
    picked = sorted(first.values())[:count]
    drawn: list[Picture] = []
    (out / FOLDER).mkdir()
    for index in picked:
        file = f"{FOLDER}/{index:03d}.png"
        shutil.copyfile(folder / scores["pictures"][index], out / file)
        drawn.append({"index": index, "prompt": scores["prompts"][index], "file": file})
    family = candidate.family
    return {
        "seed": scores["seed"],
        "steps": scores["steps"],
        "guidance_scale": scores["guidance_scale"],
        "latent": list(family.latent(candidate.config)[1:]),
        "size": list(family.sides(candidate.config)),
        "noise": NOISE,
        "drawn": drawn,
    }
