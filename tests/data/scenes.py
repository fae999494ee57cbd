"""Pictures for the tests of data sets."""

from __future__ import annotations

import numpy as np
from PIL import Image


def scene(seed: int, width: int = 96, height: int = 96) -> Image.Image:
    """A smooth picture that no other seed's looks like."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
