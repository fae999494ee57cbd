"""How many bytes of activations are alive while each module runs, and how many it writes: one eager pass, watched.

Estimated: the values that operators return, each from its making until its last holder lets go of it. What an operator
allocates inside itself (a convolution's unfolded input) is not seen.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.runtimes.torch.modules import watched

if TYPE_CHECKING:
    import torch


@dataclass
class Live:
    """Bytes by layer: ``written`` by its own operators, ``alive`` at most after one of them; and the peak of all."""

    written: Counter[str] = field(default_factory=Counter)
    alive: dict[str, int] = field(default_factory=dict)
    peak: int | None = None
    peak_at: str | None = None


def live_bytes(module: torch.nn.Module, call: Callable[[], object], wrapper: str = "") -> Live:
    """Runs ``call`` (which runs ``module``) once and follows every tensor that it makes.

    Parameters and the caller's inputs are not among them; what runs outside the component counts for no layer.
    ``wrapper``: see ``modules``.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    live, stack, storages = Live(), list[str](), _Storages()

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            made = storages.add(out, (args, kwargs))
            if stack:
                layer = stack[-1]
                in_place = func._schema.is_mutable and not made
                live.written[layer] += sum(t.nbytes for t in _tensors(out)) if in_place else made
                live.alive[layer] = max(live.alive.get(layer, 0), storages.bytes)
                if storages.bytes > (live.peak or 0):
                    live.peak, live.peak_at = storages.bytes, layer
            return out

    with watched(module, wrapper, stack.append, stack.pop), Watching():
        call()
    return live


class _Storages:
    """Storages made by operators and not yet freed; ``bytes`` is the sum of their sizes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def add(self, out: Any, given: Any) -> int:
        """Takes up the new storages among ``out``, an operator's results, and returns their bytes.

        ``given`` are its arguments: a result that lies in one of their storages is a view, or was written in place.
        """
        foreign = {id(tensor.untyped_storage()) for tensor in _tensors(given)}
        made = 0
        for tensor in _tensors(out):
            storage = tensor.untyped_storage()
            key, size = id(storage), storage.nbytes()
            if key in self._alive or key in foreign:
                continue
            made += size
            self._alive[key] = weakref.ref(storage, self._freeing(key, size))
        self.bytes += made
        return made

    def _freeing(self, key: int, size: int) -> Callable[[object], None]:
        def freed(_reference: object) -> None:
            del self._alive[key]
            self.bytes -= size

        return freed


def _tensors(values: Any) -> list[Any]:
    import torch

    return [t for t in torch.utils._pytree.tree_leaves(values) if isinstance(t, torch.Tensor)]
