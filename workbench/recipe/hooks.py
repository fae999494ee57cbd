"""What a step's config may offer so that a recipe can be checked before any work. All methods are optional.

``unet_config`` is the ``config.json`` of the U-Net that the step would meet; no method may load weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ChecksDenoiser(Protocol):
    """A step that can tell from the config alone what is wrong."""

    def check(self, unet_config: Mapping[str, Any], names: Sequence[str], /) -> Iterable[tuple[str, str]]:
        """Problems as (key inside the step, sentence). ``names``: the candidates before this step, ``base`` first."""
        ...


@runtime_checkable
class ChecksModel(Protocol):
    """A step that can tell from the recipe's model, whatever came before, what is wrong."""

    def check_model(self, folder: Path, /) -> Iterable[tuple[str, str]]:
        """Problems as (key inside the step, sentence). ``folder``: the model's pipeline."""
        ...


@runtime_checkable
class ChangesDenoiser(Protocol):
    """A step after which the U-Net has another config; called only when ``check`` found nothing."""

    def unet_config_after(self, unet_config: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The U-Net's config after this step."""
        ...
