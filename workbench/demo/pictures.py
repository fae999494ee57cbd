"""The captioned pictures that the demo model learns from, made from Noto emoji.

Source: npm package ``emoji-datasource-google`` 16.0.0 (pictures Apache-2.0). Each picture of 64 x 64 pixels is laid
on one of eight plain backgrounds; the caption names both. One coloured background per concept is held out of every
training stage, so that held-out captions ask for combinations that were never seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from workbench.errors import InputError

if TYPE_CHECKING:
    import torch

SIDE = 64
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "yellow": (255, 236, 150),
    "orange": (255, 200, 140),
    "green": (176, 228, 176),
    "blue": (160, 205, 250),
    "purple": (208, 184, 245),
    "pink": (255, 190, 215),
    "grey": (200, 200, 200),
}
TEMPLATES = ("{}", "a {}", "a picture of a {}")


def caption_of(name: str, background: str, template: str = "{}") -> str:
    """The caption of one picture; white goes without saying."""
    text = template.format(name)
    return text if background == "white" else f"{text} on a {background} background"


@dataclass(frozen=True)
class Pictures:
    """The raw pictures: ``rgba`` uint8 [N, 64, 64, 4], ``names`` N caption words, ``groups`` N group names."""

    rgba: np.ndarray
    names: list[str]
    groups: list[str]

    def render(self, concept: np.ndarray, background: np.ndarray) -> np.ndarray:
        """Pictures of the given (concept, background) pairs as float32 [B, 3, 64, 64] in [-1, 1]."""
        rgba = self.rgba[concept].astype(np.float32)
        alpha = rgba[..., 3:] / 255.0
        ground = self._grounds[background][:, None, None, :]
        picture = rgba[..., :3] * alpha + ground * (1 - alpha)
        return (picture / 127.5 - 1.0).transpose(0, 3, 1, 2)

    def batches(self, concept: np.ndarray, background: np.ndarray, about: int) -> Iterator[torch.Tensor]:
        """The same as tensors of ``about`` so many pictures."""
        import torch

        for part in np.array_split(np.arange(len(concept)), max(1, len(concept) // about)):
            yield torch.from_numpy(self.render(concept[part], background[part]))

    @cached_property
    def _grounds(self) -> np.ndarray:
        return np.array(list(BACKGROUNDS.values()), dtype=np.float32)

    def captions(self, concept: np.ndarray, background: np.ndarray, template: np.ndarray | None = None) -> list[str]:
        """Captions of the given pairs; ``template`` picks the wording, the plain one when it is None."""
        grounds = list(BACKGROUNDS)
        which = np.zeros(len(concept), dtype=int) if template is None else template
        return [
            caption_of(self.names[c], grounds[b], TEMPLATES[t])
            for c, b, t in zip(concept, background, which, strict=True)
        ]

    @property
    def held_out(self) -> np.ndarray:
        """Per concept, the index of the coloured background that training never shows."""
        return 1 + (np.arange(len(self.names)) * 5) % (len(BACKGROUNDS) - 1)

    def pairs(self, held_out: bool) -> tuple[np.ndarray, np.ndarray]:
        """All (concept, background) pairs of the held-out part or of the training part."""
        concept, background = np.meshgrid(np.arange(len(self.names)), np.arange(len(BACKGROUNDS)), indexing="ij")
        mask = (background == self.held_out[:, None]) == held_out
        return concept[mask], background[mask]

    def draw(self, rng: np.random.Generator, count: int, white_share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        """``count`` random training pairs, ``white_share`` of them on white."""
        concept = rng.integers(0, len(self.names), count)
        colour = rng.integers(1, len(BACKGROUNDS) - 1, count)
        colour += colour >= self.held_out[concept]  # skips the held-out one, the others equally likely
        return concept, np.where(rng.random(count) < white_share, 0, colour)


def load_pictures(package: Path) -> Pictures:
    """Reads the unpacked npm package at ``package``.

    Raises:
        InputError: the folder is not that package, or a picture is missing.
    """
    from PIL import Image

    index = package / "emoji.json"
    if not index.is_file():
        raise InputError(
            f"{package}: no emoji.json there",
            hint="unpack the npm package emoji-datasource-google 16.0.0 (npm pack, tar xzf) and name its folder",
        )
    entries = {short: e for e in json.loads(index.read_text()) for short in e["short_names"]}
    concepts = yaml.safe_load(resources.files("workbench.demo").joinpath("concepts.yaml").read_text())
    rgba, names, groups = [], [], []
    for group, members in concepts.items():
        for short, name in members.items():
            file = package / "img" / "google" / "64" / entries[short]["image"]
            with Image.open(file, formats=("PNG",)) as image:
                rgba.append(np.asarray(image.convert("RGBA").resize((SIDE, SIDE))))
            names.append(name)
            groups.append(group)
    return Pictures(np.stack(rgba), names, groups)
