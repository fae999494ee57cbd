"""What must hold after pruning: it runs, it loads again as it was, its ONNX export agrees."""

from __future__ import annotations

from typing import Any

from workbench.compress.registry import StepContext
from workbench.errors import InputError, RunError
from workbench.models.candidate import Candidate
from workbench.models.unet import load_unet

_ROUNDING = 1e-4
"""Of the largest output: cut weights lie in memory in another way than loaded ones, and kernels may then sum in
another order (they do on AVX2)."""


def verify(ctx: StepContext, unet: Any, pruned: Candidate) -> None:
    """Runs ``unet``, as it was cut, and the one that was saved of it in ``pruned``, and exports the saved one.

    Weights must agree to the bit, outputs up to the rounding of sums.

    Raises:
        RunError: one of these doesn't hold; the message says which.
    """
    import torch

    inputs = [torch.from_numpy(value) for value in pruned.spec(pruned.denoiser.name).seeded().values()]
    try:
        with torch.inference_mode():
            here = unet.eval()(*inputs, return_dict=False)[0]
    except (RuntimeError, AssertionError, ValueError) as error:
        raise RunError(f"the pruned U-Net can't be run: {error}") from error
    if not bool(torch.isfinite(here).all()):
        raise RunError("the pruned U-Net gives numbers that aren't finite")
    try:
        again = pruned.load(pruned.denoiser.name)
        saved = load_unet(pruned.denoiser.path).state_dict()
    except InputError as error:
        raise RunError(f"the pruned U-Net can't be loaded again: {error}") from error
    with torch.inference_mode():
        there = again(*inputs)
    cut = unet.state_dict()
    changed = sorted(cut.keys() ^ saved.keys()) or [name for name in cut if not torch.equal(cut[name], saved[name])]
    if changed:
        raise RunError(f"the pruned U-Net isn't what it was when it is loaded again: {changed[0]} differs")
    apart = float((here - there).abs().max())
    if apart > _ROUNDING * float(here.abs().max()):
        raise RunError(f"the pruned U-Net isn't what it was when it is loaded again: outputs differ by {apart:.3g}")
    try:
        ctx.export(pruned, pruned.denoiser.name)
    except RunError as error:
        raise RunError(f"the pruned U-Net can't be exported to ONNX: {error.message}") from error
