"""What a denoiser sees while it draws, and the ranges of its tensors, folded in as samples come.

The inputs are those of the real denoising trajectory, with prompt and without: noisy latents made by adding noise to
pictures have other statistics (arXiv 2211.15736, 2302.04304).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.export.load import session
from workbench.models.scheduler import load_scheduler, previous

if TYPE_CHECKING:
    import numpy as np

Inputs = dict[str, "np.ndarray"]
Method = Literal["minmax", "moving_average"]
Denoise = Callable[[Inputs, bool], "np.ndarray"]
"""``denoise(inputs, kept)`` gives the U-Net's output [1, C, h, w]."""

MOMENTUM = 0.95
"""Of the running minimum and maximum (Q-Diffusion's value)."""


@dataclass(frozen=True)
class Trajectory:
    """How the denoiser's inputs come about: ``steps`` of the pipeline's scheduler, guidance of ``guidance_scale``.

    ``timesteps``: which of the trajectory's timesteps are kept (the nearest to each is taken); None keeps all.
    ``unconditional``: whether the inputs without prompt are kept as well.
    """

    source: Path
    text_encoder: Path
    steps: int
    guidance_scale: float
    timesteps: Sequence[int] | None = None
    unconditional: bool = True

    def kept(self) -> list[int]:
        """The timesteps whose inputs are kept, in the order they come."""
        times = [int(t) for t in load_scheduler(self.source, self.steps).timesteps]
        if self.timesteps is None:
            return times
        near = {min(times, key=lambda t: abs(t - wanted)) for wanted in self.timesteps}
        return [t for t in times if t in near]

    def walk(self, prompts: Sequence[str], seed: int, denoise: Denoise) -> Iterator[Inputs]:
        """Draws every prompt with ``denoise(inputs, kept)`` and yields each kept input after its pass.

        Inputs: ``sample`` [1, C, h, w], ``timestep`` [1], ``encoder_hidden_states`` [1, L, D], all float32.
        """
        import numpy as np
        import torch

        kept = set(self.kept())
        encode = self._encoder()
        empty = encode("")
        shape = self._latent_shape()
        for index, prompt in enumerate(prompts):
            scheduler = load_scheduler(self.source, self.steps)
            noise = np.random.default_rng([seed, index]).standard_normal(shape, dtype=np.float32)
            latent = torch.from_numpy(noise) * scheduler.init_noise_sigma
            text = encode(prompt)
            generator = torch.Generator().manual_seed(seed)
            for t in scheduler.timesteps:
                sample = scheduler.scale_model_input(latent, t).numpy()
                time = np.array([float(t)], np.float32)
                with_text = {"sample": sample, "timestep": time, "encoder_hidden_states": text}
                without = {"sample": sample, "timestep": time, "encoder_hidden_states": empty}
                keep = int(t) in kept
                out = denoise(with_text, keep)
                if keep:
                    yield with_text
                if self.guidance_scale > 1:
                    free = denoise(without, keep and self.unconditional)
                    if keep and self.unconditional:
                        yield without
                    out = free + self.guidance_scale * (out - free)
                latent = previous(scheduler, torch.from_numpy(out), t, latent, generator)

    def _encoder(self) -> Callable[[str], np.ndarray]:
        import numpy as np
        from transformers import CLIPTokenizer

        tokenizer = CLIPTokenizer.from_pretrained(self.source / "tokenizer", local_files_only=True)
        run = session(self.text_encoder, 1)
        length = run.get_inputs()[0].shape[1]

        def encode(prompt: str) -> np.ndarray:
            ids = tokenizer(
                prompt, padding="max_length", truncation=True, max_length=length, return_tensors="np"
            ).input_ids
            return run.run(None, {"input_ids": ids.astype(np.int64)})[0]

        return encode

    def _latent_shape(self) -> tuple[int, int, int, int]:
        config = json.loads((self.source / "unet" / "config.json").read_text())
        side = config["sample_size"]
        height, width = (side, side) if isinstance(side, int) else side
        return 1, config["in_channels"], height, width


class Ranges:
    """Runs a model and keeps the smallest and largest value of some tensors over all passes: two numbers for each.

    The graph is extended by ReduceMin and ReduceMax, so that the tensors themselves never leave the runtime; memory
    doesn't grow with the number of passes.
    """

    def __init__(self, model: Path, tensors: Iterable[str], work: Path, method: Method = "minmax") -> None:
        self._names = sorted(set(tensors))
        self._method = method
        self._session = session(_with_extremes(model, self._names, work))
        self._low: np.ndarray | None = None
        self._high: np.ndarray | None = None
        self.passes = 0

    def run(self, inputs: Inputs) -> np.ndarray:
        """One pass: folds its ranges in and returns the model's own first output."""
        import numpy as np

        out, *extremes = self._session.run(None, inputs)
        count = len(self._names)
        low = np.array([float(x) for x in extremes[:count]], np.float32)
        high = np.array([float(x) for x in extremes[count:]], np.float32)
        if self._low is None or self._high is None:
            self._low, self._high = low, high
        elif self._method == "minmax":
            np.minimum(self._low, low, out=self._low)
            np.maximum(self._high, high, out=self._high)
        else:
            self._low = MOMENTUM * self._low + (1 - MOMENTUM) * low
            self._high = MOMENTUM * self._high + (1 - MOMENTUM) * high
        self.passes += 1
        return out

    def result(self) -> Mapping[str, tuple[float, float]]:
        """Tensor to (low, high); empty before the first pass."""
        if self._low is None or self._high is None:
            return {}
        return {n: (float(a), float(b)) for n, a, b in zip(self._names, self._low, self._high, strict=True)}


def _with_extremes(model: Path, tensors: Sequence[str], work: Path) -> Path:
    """Writes the model with each tensor's extremes as further outputs: all minima, then all maxima."""
    import onnx_ir as ir

    from workbench.export.onnx import save

    graph_model = ir.load(model)
    graph = graph_model.graph
    values = {value.name: value for node in graph for value in node.outputs}
    values.update({value.name: value for value in graph.inputs})
    for op in ("ReduceMin", "ReduceMax"):
        for name in tensors:
            node = ir.node(op, [values[name]], attributes={"keepdims": 0}, name=f"{name}/{op}")
            node.outputs[0].name = f"{name}/{op}:0"
            node.outputs[0].dtype, node.outputs[0].shape = ir.DataType.FLOAT, ir.Shape([])
            graph.append(node)
            graph.outputs.append(node.outputs[0])
    path = work / "ranges.onnx"
    save(graph_model, path)
    return path
