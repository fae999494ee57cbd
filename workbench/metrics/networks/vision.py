"""Networks of transformers that see pictures, as backbones: features at several depths, means over a picture."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.metrics.networks.folder import fetched, files_of, load, load_processor
from workbench.metrics.real_pictures import Stamps, stamps
from workbench.models.read_json import read_object

if TYPE_CHECKING:
    import torch

TYPES = {
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "vit": "ViTModel",
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "siglip": "SiglipVisionModel",
    "siglip_vision_model": "SiglipVisionModel",
    "resnet": "ResNetModel",
    "convnext": "ConvNextModel",
    "convnextv2": "ConvNextV2Model",
}
"""``model_type`` in ``config.json`` and the class that loads it."""
_DEPTHS = 4
"""Of a network of L layers or stages, those at L/4, L/2, 3L/4 and L."""
_UNUSED = ("pooler.",)
"""Which a ViT that was trained to classify lacks."""


class Vision:
    """A ``Backbone``; pictures are prepared as the folder says.

    Means are over places alone: the class token and registers are left out, which in the first layers are the same for
    all pictures, and of which networks of stages have none.
    """

    def __init__(self, folder: Path) -> None:
        import transformers

        name = TYPES[read_object(folder / "config.json")["model_type"]]
        self._model = load(getattr(transformers, name), folder, spared=_UNUSED)
        self._processor = load_processor(folder)

    def __call__(self, pictures: np.ndarray) -> list[torch.Tensor]:
        """Features float32 [B, C] of pictures uint8 [B, H, W, 3] at each depth."""
        import torch

        pixels = self._processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
        with torch.inference_mode():
            states = self._model(pixel_values=pixels.pixel_values, output_hidden_states=True).hidden_states
            layers = len(states) - 1
            depths = sorted({math.ceil(layers * k / _DEPTHS) for k in range(1, _DEPTHS + 1)})
            return [self._mean(states[depth], pixels.pixel_values.shape) for depth in depths]

    def _mean(self, state: Any, shape: tuple[int, ...]) -> torch.Tensor:
        if state.ndim == 4:
            return state.mean((2, 3)).contiguous()
        patch = self._model.config.patch_size
        places = (shape[2] // patch) * (shape[3] // patch)
        return state[:, state.shape[1] - places :].mean(1)


def vision(model: str) -> Vision:
    """The network in a folder or on the Hub, kept for the next candidate as long as its files stay as they are."""
    return _kept(fetched(model), stamps(files_of(model)))


@lru_cache(maxsize=2)
def _kept(folder: Path, _files: Stamps) -> Vision:
    return Vision(folder)
