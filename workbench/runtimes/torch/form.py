"""From a description to the torch module itself, in whatever process needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import RunError
from workbench.measure.counts import Count
from workbench.measure.network import TorchForm
from workbench.models.factory import call_factory, reason
from workbench.runtimes.torch.macs import count

if TYPE_CHECKING:
    import numpy as np
    import torch


def build(form: TorchForm) -> tuple[torch.nn.Module, str]:
    """The module, which takes the network's inputs by position, and the attribute that holds the user's own module.

    The attribute is "" where the component's parts are attributes of the module themselves (a VAE's decoder).

    Raises:
        InputError: the factory can't be used as it is.
    """
    if form.kind == "folder":
        from workbench.models.families import family_of

        part = family_of(Path(form.source)).part(form.component)
        return part.load(Path(form.where)), part.wrapper
    made = call_factory(form.where)
    return positional(made.module, list(made.inputs) if made.by_keyword else None), "net"


def count_factory(where: str, feed: Mapping[str, np.ndarray]) -> Count:
    """Counts the module that a factory makes, on the meta device; where it can't be run there, it is run with ``feed``.

    Raises:
        InputError: the factory can't be used as it is.
        RunError: the module can't be run with these inputs.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    made = call_factory(where, meta=True)
    if made.place is None:  # to move what is lent would take it from its owner
        try:
            empty = {name: torch.from_numpy(value).to("meta") for name, value in feed.items()}
            return _counted(made.module.to("meta"), empty, made.by_keyword)
        except Exception:  # it needs a value: any class of error, torch's own or the module's
            made = call_factory(where)
    try:
        with sdpa_kernel(SDPBackend.MATH):  # the one that is made of products that can be counted
            real = {name: torch.from_numpy(value) for name, value in feed.items()}
            return _counted(made.module, real, made.by_keyword)
    except Exception as error:
        raise RunError(f"{where}: the module can't be run: {reason(error)}") from error


def _counted(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor], by_keyword: bool) -> Count:
    return count(module, **inputs) if by_keyword else count(module, *inputs.values())


def positional(net: torch.nn.Module, names: list[str] | None) -> torch.nn.Module:
    """A module with ``net`` in the attribute ``net``: inputs by position, output tensors as a flat tuple.

    ``names`` are the keywords by which ``net`` takes its inputs; None where it takes them by position.
    """
    import torch

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
            call: Callable[..., Any] = self.net
            outputs = call(*values) if names is None else call(**dict(zip(names, values, strict=True)))
            return tuple(t for t in torch.utils._pytree.tree_leaves(outputs) if isinstance(t, torch.Tensor))

    return Positional().eval()
