"""Peak signal-to-noise ratio of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def psnr_db(pictures: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """PSNR [N] in dB of uint8 pictures [N, H, W, 3]; at most 100, which stands for equal pictures."""
    import numpy as np
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio

    a, b = (torch.from_numpy(p).permute(0, 3, 1, 2).float() / 255 for p in (pictures, reference))
    psnr: np.ndarray = peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3)).numpy()
    return np.minimum(psnr, 100.0)
