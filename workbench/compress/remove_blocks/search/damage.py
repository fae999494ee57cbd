"""The damage of a removal: the U-Net's output on the parent's inputs, and pictures of the parent's seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.search.bypass import without
from workbench.compress.remove_blocks.search.config import SearchConfig
from workbench.compress.remove_blocks.search.probes import Probe
from workbench.compress.remove_blocks.search.units import Dropped, built
from workbench.errors import RunError
from workbench.measure.interval import interval
from workbench.metrics.psnr_db import psnr_db
from workbench.models.read_json import read_object
from workbench.models.unet import load_unet, meta_unet
from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import torch

Found = dict[str, Any]
"""``error``: squared error of the output ÷ its power, mean over inputs, with its interval and n; ``sqnr_db``: by
timestep; ``psnr_db``, ``alignment``: of the pictures (an alignment only where the model brings a scorer)."""


class Notes:
    """Measurements by name, a JSON line each: a killed search resumes, and nothing is measured twice."""

    def __init__(self, file: Path) -> None:
        # A last line that was cut off by a kill is dropped.
        self._file = file
        self._known: dict[str, Any] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break
            self._known[row["name"]] = row["found"]
        write_atomic(file, "".join(f"{_line(name, value)}\n" for name, value in self._known.items()))

    def get(self, name: str, measure: Callable[[], Any]) -> Any:
        """What is noted under ``name``; else ``measure()`` (plain JSON), noted."""
        if name not in self._known:
            value = measure()
            with self._file.open("a") as lines:
                lines.write(f"{_line(name, value)}\n")
            self._known[name] = value
        return self._known[name]


def _line(name: str, value: Any) -> str:
    return json.dumps({"name": name, "found": value})


class Damage:
    """Measures removals from one U-Net; what the notes know isn't measured again."""

    def __init__(self, ctx: StepContext, config: SearchConfig, notes: Notes) -> None:
        """Loads the parent and runs it: its inputs, its outputs and its pictures are what all others are held to."""
        parent, source = ctx.parent.denoiser.path, ctx.base.source
        self._notes = notes
        self.config: Mapping[str, Any] = read_object(parent / "config.json")
        self.unet: Any = load_unet(parent).requires_grad_(False)
        known = ctx.captions()
        count = min(len(known), max(config.prompts, config.pictures))
        order = np.random.default_rng([ctx.seed, 2]).permutation(len(known))[:count]
        prompts = [known[i] for i in order]
        self._probe = Probe(source, prompts, config.steps, config.guidance_scale, ctx.seed)
        self._scored = _scorer(source, prompts[: config.pictures])
        self._pictures = min(count, config.pictures)
        self._parent_pictures, self._inputs = self._probe.draw(self.unet, count, min(count, config.prompts))
        self._parent_outputs = self._probe.outputs(self.unet, self._inputs)
        self._parent_pictures = self._parent_pictures[: self._pictures]
        self.counts = {
            "prompts": self._inputs.sample.shape[1],
            "timesteps": list(self._inputs.timesteps),
            "pictures": self._pictures,
        }

    @property
    def of_parent(self) -> Found:
        """What the parent's pictures score."""
        return self._scored(self._parent_pictures)

    def of_block(self, block: str) -> Found:
        """The damage of one block taken out alone: output and pictures."""

        def measure() -> Found:
            with without(self.unet, block):
                return self._outputs(self.unet) | self._drawn(self.unet)

        return self._notes.get(f"block {block}", measure)

    def of_set(self, dropped: Dropped) -> Found:
        """The damage to the output of a set that a student can be built without."""
        return self._notes.get(f"set {_named(dropped)}", lambda: self._outputs(self._student(dropped)))

    def pictures_of_set(self, dropped: Dropped) -> Found:
        """The damage to the pictures."""
        return self._notes.get(f"pictures {_named(dropped)}", lambda: self._drawn(self._student(dropped)))

    def _student(self, dropped: Dropped) -> Any:
        """The student with the parent's weights, which it shares."""
        plan = built(self.config, dropped)
        if plan is None:
            raise RunError(f"remove_blocks.search: no U-Net is left without {_named(dropped)}")
        student = meta_unet(plan.config)
        plan.copy_weights(student, self.unet, share=True)
        return student.requires_grad_(False)

    def _outputs(self, unet: Any) -> Found:
        outputs = self._probe.outputs(unet, self._inputs)
        error = _power(outputs - self._parent_outputs) / _power(self._parent_outputs)  # [T, P]
        sqnr = -10 * np.log10(np.maximum(error, 1e-12))
        by_time = dict(zip(map(str, self._inputs.timesteps), sqnr.mean(1).tolist(), strict=True))
        return {"error": interval(error.ravel(), bounds=(0.0, np.inf)), "sqnr_db": by_time}

    def _drawn(self, unet: Any) -> Found:
        drawn, _ = self._probe.draw(unet, self._pictures)
        return {"psnr_db": interval(psnr_db(drawn, self._parent_pictures)), **self._scored(drawn)}


def _power(outputs: torch.Tensor) -> np.ndarray:
    """Sum of squares [T, P] of outputs [T, P, C, h, w]."""
    out: np.ndarray = outputs.double().square().sum((2, 3, 4)).numpy()
    return out


def _named(dropped: Dropped) -> str:
    return " ".join(sorted(dropped))


def _scorer(source: Path, prompts: list[str]) -> Callable[[np.ndarray], Found]:
    """A function from pictures of the prompts to their alignment; to nothing where the model has no scorer."""
    from workbench.models.scorer import load_scorer

    scorer = load_scorer(source)
    if scorer is None:
        return lambda _pictures: {}
    texts = scorer.texts(prompts)
    return lambda pictures: {"alignment": interval((scorer.images(pictures) * texts).sum(1))}
