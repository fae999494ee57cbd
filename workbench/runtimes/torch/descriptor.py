"""PyTorch, eager, without its library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from workbench.measure.kinds import Kernels
from workbench.runtimes.descriptor import Ceilings, Descriptor, Feed

if TYPE_CHECKING:
    import torch

KERNELS = Kernels(
    products=(
        "Conv1d", "Conv2d", "Conv3d", "ConvTranspose2d", "Linear", "Attention", "CLIPAttention", "MultiheadAttention",
    ),
)  # fmt: skip
"""Named by the class of the module that called them."""


def _load(module: torch.nn.Module, feed: Feed, threads: int) -> Callable[[], object]:
    from workbench.runtimes.torch.runtime import one_pass

    return one_pass(module, feed, threads)


RUNTIME = Descriptor(
    name="torch",
    title="PyTorch",
    target="host-torch",
    order=3,
    distribution="torch",
    install="torch",
    cls="TorchEager",
    kernels=KERNELS,
    ceilings=Ceilings(load=_load, refused={"int8": "this runtime's networks are of float32"}),
    by_default=True,
)
