"""CLIP (arXiv 2103.00020) of a transformers folder: pictures and texts to vectors of one space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import RunError
from workbench.metrics.networks.folder import fetched, files_of, load, load_processor
from workbench.metrics.real_pictures import Stamps, stamps

TYPES = ("clip",)
BATCH = 16


class Clip:
    """Unit vectors float32 [N, F]."""

    def __init__(self, folder: Path) -> None:
        from transformers import CLIPModel

        self._folder = folder
        self._model = load(CLIPModel, folder)
        self._processor = load_processor(folder)

    def images(self, batches: Iterable[Sequence[np.ndarray]]) -> np.ndarray:
        """Of pictures uint8 [H, W, 3] of any size, prepared as the folder says."""
        import torch

        rows = []
        with torch.inference_mode():
            for batch in batches:
                pixels = self._processor(images=list(batch), return_tensors="pt", input_data_format="channels_last")
                rows.append(self._model.get_image_features(pixel_values=pixels.pixel_values).pooler_output)
            return _unit(torch.cat(rows))

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Of texts; what is longer than the model's positions is cut there, its end token among it, as torchmetrics
        does it.
        """
        import torch

        most = self._model.config.text_config.max_position_embeddings
        rows = []
        with torch.inference_mode():
            for i in range(0, len(texts), BATCH):
                batch = list(texts[i : i + BATCH])
                tokens = self._tokenizer(batch, padding=True, return_tensors="pt", verbose=False)
                ids, mask = tokens["input_ids"][:, :most], tokens["attention_mask"][:, :most]
                rows.append(self._model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output)
            return _unit(torch.cat(rows))

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        except Exception as error:  # those of its Rust part have no type of their own
            raise RunError(f"{self._folder}: transformers can't read its tokenizer ({error})") from error


def batches(pictures: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Pictures uint8 [N, H, W, 3], a few at a time."""
    return (list(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH))


def _unit(rows: Any) -> np.ndarray:
    unit: np.ndarray = (rows / rows.norm(dim=-1, keepdim=True)).numpy()
    return unit


def clip(model: str) -> Clip:
    """The network in a folder or on the Hub, kept for the next candidate as long as its files stay as they are."""
    return _kept(fetched(model), stamps(files_of(model)))


@lru_cache(maxsize=2)
def _kept(folder: Path, _files: Stamps) -> Clip:
    return Clip(folder)
