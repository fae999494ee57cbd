"""The modules of a component by layer, and a watch on which of them is at work.

``module`` is the component, or a wrapper that holds it in the attribute named ``wrapper`` ("" for the former).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

ROOT = "(root)"
"""The layer of operations that the component does itself, outside all its submodules."""


def modules_by_layer(module: torch.nn.Module, wrapper: str = "") -> dict[str, torch.nn.Module]:
    """The component's modules by layer."""
    component = module.get_submodule(wrapper) if wrapper else module
    return {name or ROOT: part for name, part in component.named_modules()}


@contextmanager
def watched(
    module: torch.nn.Module, wrapper: str, enter: Callable[[str], None], leave: Callable[[], object]
) -> Iterator[None]:
    """Calls ``enter(layer)`` before every module of the component and ``leave()`` after it, until the block ends."""
    handles = []
    for layer, part in modules_by_layer(module, wrapper).items():

        def before(_module: Any, _inputs: Any, layer: str = layer) -> None:
            enter(layer)

        def after(_module: Any, _inputs: Any, _output: Any) -> None:
            leave()

        handles += [part.register_forward_pre_hook(before), part.register_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
