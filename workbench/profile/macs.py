"""Multiply-accumulates, parameters and activation bytes of a torch module, layer by layer and exactly.

Products are counted with the formulas of ``torch.utils.flop_counter`` while the module runs on the meta device, where
attention decomposes into its two products: counted, but apart, since papers leave them out. Nothing is allocated, so a
full-size U-Net is counted from its config alone. Every operator that is neither counted nor known to cost nothing is
listed by name, never taken for zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import torch

ROOT = "(root)"
"""The layer of operations that the component does itself, outside all its submodules."""

_REDUCTIONS = {
    "native_group_norm", "native_layer_norm", "native_batch_norm", "_softmax", "_safe_softmax", "mean", "sum", "amax",
    "var_mean", "argmax", "max", "any", "all", "cumsum", "avg_pool2d", "upsample_nearest2d",
}  # fmt: skip
_FREE = {
    "cat", "clone", "copy_", "_to_copy", "empty", "empty_like", "empty_strided", "new_empty", "zeros", "zeros_like",
    "ones", "ones_like", "full", "full_like", "fill_", "zero_", "arange", "scalar_tensor", "embedding", "index",
    "_unsafe_index", "index_select", "gather", "constant_pad_nd", "_unsafe_view", "lift_fresh", "lift_fresh_copy",
    "stack", "triu", "tril", "_local_scalar_dense", "device", "new_zeros", "new_ones", "new_full", "view", "detach",
}  # fmt: skip
"""Operators that move or make data: no arithmetic."""


@dataclass(frozen=True)
class LayerCount:
    """One module's own work, without that of its submodules, in one forward pass.

    ``macs`` counts convolutions and linear layers, ``attention_macs`` other products (those of attention),
    ``element_ops`` one per output element of pointwise and per input element of norm and softmax operators.
    ``activation_bytes`` is what the layer's operators write (estimated: a runtime that fuses writes less).
    """

    layer: str
    kind: str
    params: int
    macs: int
    attention_macs: int
    element_ops: int
    activation_bytes: int
    calls: int


@dataclass(frozen=True)
class Count:
    """A component's layers in order of the module tree, and the operators that could not be counted."""

    layers: tuple[LayerCount, ...]
    uncounted: Mapping[str, int]

    @property
    def params(self) -> int:
        """Parameters; one that several modules share counts once."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Convolution and linear MACs, the number that papers print."""
        return sum(layer.macs for layer in self.layers)

    @property
    def macs_with_attention(self) -> int:
        """All products, those of attention included."""
        return self.macs + sum(layer.attention_macs for layer in self.layers)

    def table(self) -> pd.DataFrame:
        """One row per layer."""
        import dataclasses

        import pandas as pd

        columns = [field.name for field in dataclasses.fields(LayerCount)]
        return pd.DataFrame([dataclasses.astuple(layer) for layer in self.layers], columns=columns)


def count(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Count:
    """Counts one forward pass of ``module(*args, **kwargs)``; module and tensors should be on the meta device.

    On a real device the counts of layers are the same, but fused attention kernels appear as uncounted.
    """
    import torch

    tally = _Tally()
    with torch.no_grad(), _tracked(module, tally), _mode(tally):
        module(*args, **kwargs)
    seen: set[int] = set()
    layers = []
    for name, part in module.named_modules():
        own = [p for p in part.parameters(recurse=False) if id(p) not in seen]
        seen.update(id(p) for p in own)
        layer = name or ROOT
        products = tally.products[layer]
        params = sum(p.numel() for p in own)
        if not (params or products or tally.elements[layer] or tally.written[layer]):
            continue
        layers.append(
            LayerCount(
                layer=layer,
                kind=type(part).__name__,
                params=params,
                macs=products["layer"],
                attention_macs=products["attention"],
                element_ops=tally.elements[layer],
                activation_bytes=tally.written[layer],
                calls=tally.calls[layer],
            )
        )
    return Count(tuple(layers), dict(sorted(tally.uncounted.items())))


class _Tally:
    """What the dispatch mode adds up, by layer; ``stack`` is the chain of modules being run."""

    def __init__(self) -> None:
        self.stack: list[tuple[str, bool]] = [(ROOT, False)]
        self.products: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.elements: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.uncounted: Counter[str] = Counter()

    def add(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        import torch
        from torch.utils.flop_counter import flop_registry

        layer, is_product_layer = self.stack[-1]
        packet, name = func._overloadpacket, func._overloadpacket.__name__
        if func.is_view:
            return
        tensors = [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]
        if name not in ("empty", "new_empty", "empty_like", "empty_strided", "detach", "_unsafe_view", "device"):
            self.written[layer] += sum(t.numel() * t.element_size() for t in tensors)
        if packet in flop_registry:
            flops = flop_registry[packet](*args, **kwargs, out_val=out)
            batched = name not in ("mm", "addmm") and "convolution" not in name
            kind = "attention" if batched and not is_product_layer else "layer"
            self.products[layer][kind] += flops // 2
        elif torch.Tag.pointwise in func.tags:
            self.elements[layer] += sum(t.numel() for t in tensors)
        elif name in _REDUCTIONS:
            first = next((a for a in args if isinstance(a, torch.Tensor)), None)
            self.elements[layer] += first.numel() if first is not None else 0
        elif name not in _FREE:
            self.uncounted[name] += 1


@contextmanager
def _mode(tally: _Tally) -> Iterator[None]:
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if func._overloadpacket not in flop_registry and func._overloadpacket.__name__ != "device":
                with self:
                    result = func.decompose(*args, **kwargs)
                if result is not NotImplemented:
                    return result
            out = func(*args, **kwargs)
            tally.add(func, args, kwargs, out)
            return out

    with Counting():
        yield


@contextmanager
def _tracked(module: torch.nn.Module, tally: _Tally) -> Iterator[None]:
    """Keeps ``tally.stack`` at the module being run."""
    from torch import nn

    product_layers = (nn.Linear, nn.modules.conv._ConvNd)
    handles = []
    for name, part in module.named_modules():
        if not name:
            continue

        def enter(m: nn.Module, _inputs: Any, name: str = name) -> None:
            tally.calls[name] += 1
            tally.stack.append((name, isinstance(m, product_layers)))

        def leave(_m: nn.Module, _inputs: Any, _output: Any) -> None:
            tally.stack.pop()

        handles += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
    tally.calls[ROOT] += 1
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
