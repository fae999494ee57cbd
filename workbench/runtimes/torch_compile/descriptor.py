"""``torch.compile`` without its library."""

from __future__ import annotations

from workbench.runtimes.descriptor import Ceilings, Descriptor
from workbench.runtimes.torch.descriptor import KERNELS
from workbench.runtimes.torch.descriptor import RUNTIME as EAGER

RUNTIME = Descriptor(
    name="torch-compile",
    title="PyTorch's torch.compile",
    target="host-torch-compile",
    order=4,
    distribution="torch",
    install="torch",
    cls="TorchCompile",
    kernels=KERNELS,
    ceilings=Ceilings(of=EAGER.name),
)
