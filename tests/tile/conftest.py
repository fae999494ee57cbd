"""The embedded model's parts that have attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

Part = tuple[Path, dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def unet(exported: dict[str, Path], feeds: dict[str, dict]) -> Part:
    """The U-Net's file, and a feed."""
    return exported["unet"], feeds["unet"]


@pytest.fixture(scope="session")
def text_encoder(exported: dict[str, Path], feeds: dict[str, dict]) -> Part:
    """The text encoder's file, and a feed: its attention has a mask before the softmax and a guard behind it."""
    return exported["text_encoder"], feeds["text_encoder"]
