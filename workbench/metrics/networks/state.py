"""A network's weights in one file of the user's: safetensors, or a torch file of tensors alone."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.models.weights import Shape, disagreement, read_header
from workbench.store.files import unreadable

if TYPE_CHECKING:
    import torch

_SAFE = ".safetensors"


def weight_problem(file: Path, expected: Mapping[str, Shape], network: str) -> str | None:
    """Why a file doesn't hold a network's weights; None where it does. What it holds besides doesn't matter."""
    if problem := unreadable(file):
        return f"found {str(file)!r}, {problem}"
    try:
        found = read_header(file).shapes if file.suffix == _SAFE else _shapes(read_weights(file))
    except InputError as error:
        return error.line
    except OSError as error:
        return f"{file}: can't be read ({error.strerror})"
    differs = disagreement(expected, found)
    return f"{file}: not the weights of {network}: {differs}" if differs else None


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """The tensors by name; of a torch file without running any code in it.

    Raises:
        InputError: the file can't be read, or holds something else.
    """
    import torch

    if file.suffix == _SAFE:
        from safetensors.torch import load_file

        read_header(file)
        return load_file(file)
    try:
        found: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror})") from None
    except Exception as error:  # unpicklers raise anything on unexpected bytes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"{file}: no torch file of tensors alone ({reason})") from None
    if not isinstance(found, Mapping) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"{file}: found something else than tensors by name; needs a state dict")
    return dict(found)


def _shapes(weights: Mapping[str, torch.Tensor]) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}
