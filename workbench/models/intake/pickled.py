"""Pickled weights, read only where a recipe allows it: tensors, and nothing that could run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, RunError

if TYPE_CHECKING:
    import torch


def load_pickled(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """The tensors of one network from its files (shards).

    Raises:
        InputError: a file holds more than tensors, or can't be read.
        RunError: a tensor isn't finite.
    """
    import torch

    tensors: dict[str, torch.Tensor] = {}
    for file in files:
        try:
            loaded: Any = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of any kind: what pickles can hold has no end
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{file}: can't be read as pickled tensors and nothing else ({reason})",
                hint="load it where you trust it and save it as safetensors",
            ) from None
        while isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
            loaded = loaded["state_dict"]
        if not isinstance(loaded, Mapping):
            raise InputError(f"{file}: found a {type(loaded).__name__}; needs tensors by name")
        for name, value in loaded.items():
            if isinstance(value, torch.Tensor):
                if value.is_floating_point() and not torch.isfinite(value).all():
                    raise RunError(f"{file}: {name} holds numbers that aren't finite (nan or inf)")
                tensors[str(name)] = value
    return tensors
