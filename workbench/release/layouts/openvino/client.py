"""Draws with openvino_genai, and nothing of workbench."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def pictures(folder: Path, drawings: Sequence[Any]) -> Iterator[Any]:
    """A picture uint8 [H, W, 3] for each of the drawings, which share steps and guidance."""
    import json

    import openvino_genai

    class Noise(openvino_genai.Generator):
        """The noise of a drawing: first that which it starts from, then that between steps."""

        def __init__(self, drawing: Any) -> None:
            super().__init__()
            self._numbers = _numbers(drawing)

        def next(self) -> float:
            return next(self._numbers)

    height, width = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["pictures"]["size"]
    guidance_scale = drawings[0].guidance_scale
    pipeline = openvino_genai.Text2ImagePipeline(folder)
    pipeline.reshape(1, height, width, guidance_scale)
    pipeline.compile("CPU", INFERENCE_PRECISION_HINT="f32")
    for drawing in drawings:
        drawn = pipeline.generate(
            drawing.prompt,
            num_inference_steps=drawing.steps,
            guidance_scale=guidance_scale,
            height=height,
            width=width,
            generator=Noise(drawing),
        )
        yield drawn.data[0].copy()  # the next call draws into the same memory


def _numbers(drawing: Any) -> Iterator[float]:
    yield from map(float, drawing.noise.ravel())
    import torch  # only what adds noise between steps goes on from here

    later = torch.Generator().manual_seed(drawing.later_seed)
    while True:
        yield from torch.randn(drawing.noise.shape, generator=later).ravel().tolist()
