"""Multiply-accumulates, parameters and activation bytes of a torch module, layer by layer and exactly.

Products are counted with the formulas of ``torch.utils.flop_counter`` while the module runs on the meta device, where
attention decomposes into its two products: counted, but apart, since papers leave them out. Nothing is allocated, so a
full-size U-Net is counted from its config alone. Every operator that is neither counted nor known to cost nothing is
listed by name, never taken for zero.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from workbench.measure.counts import Count, LayerCount
from workbench.runtimes.torch.element_ops import FREE, NO_MEMORY, REDUCTIONS
from workbench.runtimes.torch.modules import ROOT, modules_by_layer, watched

if TYPE_CHECKING:
    import torch

_OPERANDS = {"addmm": (1, 2), "baddbmm": (1, 2), "addbmm": (1, 2), "addmv": (1, 2)}
"""Where products have their operands, if not in front."""


def count(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Count:
    """Counts one forward pass of ``module(*args, **kwargs)``; best on the meta device, where nothing is computed.

    On a real device MACs are the same: fused kernels for attention and whole encoder layers are switched off. (An LSTM
    on a CPU stays one operator, whose element operations are unknown.)
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    tally = _Tally(module)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        watch = watched(module, "", tally.enter, tally.stack.pop)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), watch, _counting(tally):
            module(*args, **kwargs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    seen: set[int] = set()
    layers = []
    for layer, part in modules_by_layer(module).items():
        new = [p for p in part.parameters(recurse=False) if id(p) not in seen]
        seen.update(id(p) for p in new)
        products = tally.products[layer]
        params = sum(p.numel() for p in new)
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

    def __init__(self, module: torch.nn.Module) -> None:
        self.stack = [ROOT]
        self.products: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.elements: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.uncounted: Counter[str] = Counter()
        # Storages of weights and of what is made of them alone; held, so that none is given to another tensor.
        self._constant = {_storage(t): t for t in (*module.parameters(), *module.buffers())}

    def enter(self, layer: str) -> None:
        self.calls[layer] += 1
        self.stack.append(layer)

    def add(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        import torch

        layer = self.stack[-1]
        name = func._overloadpacket.__name__
        if func.is_view:
            return
        tensors = [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, torch.Tensor)]
        given = [t for t in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        self._follow(given, tensors)
        if name not in NO_MEMORY:
            self.written[layer] += sum(t.numel() * t.element_size() for t in tensors)
        macs = _product(func, args, kwargs, out)
        if macs is not None:
            at = _OPERANDS.get(name, (0, 1))
            weighted = "convolution" in name or "rnn" in name or any(_storage(args[i]) in self._constant for i in at)
            self.products[layer]["layer" if weighted else "attention"] += macs
        elif torch.Tag.pointwise in func.tags:
            self.elements[layer] += sum(t.numel() for t in tensors)
        elif name in REDUCTIONS:
            self.elements[layer] += given[0].numel() if given else 0
        elif name not in FREE:
            self.uncounted[name] += 1

    def _follow(self, given: list[torch.Tensor], made: list[torch.Tensor]) -> None:
        """Keeps track of which storages hold constants: what is made of constants alone is one, as in a graph."""
        constant = all(_storage(t) in self._constant for t in given)
        for tensor in made:
            if constant:
                self._constant[_storage(tensor)] = tensor
            else:
                self._constant.pop(_storage(tensor), None)


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _product(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int | None:
    """Multiply-accumulates of an operator that multiplies, None of one that doesn't."""
    from torch.utils.flop_counter import flop_registry

    packet, name = func._overloadpacket, func._overloadpacket.__name__
    if packet in flop_registry:
        return int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
    if name in ("mv", "dot", "vdot"):
        return int(args[0].numel())
    if name == "addmv":
        return int(args[1].numel())
    if name == "addbmm":
        return int(args[1].numel() * args[2].shape[-1])
    if name == "mkldnn_rnn_layer":  # what an LSTM is on a CPU: (steps, batch, size), and its two weights
        return int(args[0].shape[0] * args[0].shape[1] * (args[1].numel() + args[2].numel()))
    return None


def _counting(tally: _Tally) -> AbstractContextManager[object]:
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

    return Counting()
