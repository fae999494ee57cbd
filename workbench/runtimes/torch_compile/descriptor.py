"""``torch.compile`` as others see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.runtimes.descriptor import Ceilings, Descriptor
from workbench.runtimes.torch.descriptor import KERNELS
from workbench.runtimes.torch.descriptor import RUNTIME as EAGER

if TYPE_CHECKING:
    from workbench.runtimes.base import Runtime


def _make() -> Runtime:
    from workbench.runtimes.torch_compile.runtime import TorchCompile

    return TorchCompile(RUNTIME)


RUNTIME = Descriptor(
    name="torch-compile",
    title="PyTorch's torch.compile",
    target="host-torch-compile",
    order=4,
    distribution="torch",
    install="torch",
    make=_make,
    kernels=KERNELS,
    ceilings=Ceilings(of=EAGER.name),
)
