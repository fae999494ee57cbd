"""From the kernels that Inductor builds back to modules, by Inductor's own records of where each kernel comes from.

Every node of Inductor's graph knows the module that it was traced in, and for every kernel Inductor can write down the
nodes that it covers (``trace.provenance_tracking_level``). Two things have to be put right. Its lists also name nodes
that earlier kernels computed: a node counts for the first kernel that lists it. And a convolution that takes the
following sum into its kernel has the sum's module in the graph: the module of its weights is right.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.runtimes.torch.modules import ROOT, modules_by_layer

if TYPE_CHECKING:
    import torch

_STEP = re.compile(r"(?:\.__dict__\['_modules'\]|\._modules)?(?:\.(\w+)|\['([^']+)'\]|\[(\d+)\])")
"""One step from a module to a part of it, in the ways in which Dynamo writes it: ``.conv``, ``[0]``, ``['conv']``."""
_VARIABLE = re.compile(r"^[LG]\['[^']+'\]")
_VIEWS = {
    "view", "reshape", "_unsafe_view", "as_strided", "unsqueeze", "squeeze", "permute", "transpose", "t", "expand",
    "slice", "select", "split", "split_with_sizes", "detach", "alias", "getitem", "inductor_force_stride_order",
}  # fmt: skip
"""Operators without work of their own."""
_REDUCTIONS = {
    "var_mean", "var", "std", "mean", "sum", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all",
}  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """One launch: its name, whether it is a library's operator, the layer that its time goes to, and what else it does.

    ``shares`` has the elements that the kernel handles for each layer; ``layer`` is None where it is unknown.
    """

    name: str
    operator: bool
    layer: str | None
    shares: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """One compiled graph: its launches in the order in which they are made, and the layers that it holds."""

    module: types.ModuleType
    kernels: tuple[Kernel, ...]
    layers: frozenset[str]


class Records:
    """What Inductor says while it compiles. Give ``options`` to the compiler, then ask for ``graphs``."""

    def __init__(self, folder: Path) -> None:
        self._weights: dict[str, dict[str, Any]] = {}
        self._graphs: dict[str, Any] = {}
        self.options = {
            "trace.enabled": True,
            "trace.provenance_tracking_level": 1,
            "trace.debug_dir": str(folder),
            "trace.fx_graph": False,
            "trace.fx_graph_transformed": False,
            "trace.ir_pre_fusion": False,
            "trace.ir_post_fusion": False,
            "post_grad_custom_pre_pass": self._before_fusion,
            "post_grad_custom_post_pass": self._after_fusion,
        }

    def _before_fusion(self, graph: Any) -> None:
        """Whose each weight is: that of the only node that takes it."""
        owned = self._weights.setdefault(_folder(), {})
        for node in graph.nodes:
            if node.op in ("get_attr", "placeholder") and len(node.users) == 1:
                owned[node.name] = next(iter(node.users)).meta.get("nn_module_stack")

    def _after_fusion(self, graph: Any) -> None:
        # Kept, not read: later passes still change it, and names are those of the finished graph.
        self._graphs.setdefault(_folder(), graph)

    def graphs(
        self, generated: Sequence[types.ModuleType], compiled: torch.nn.Module, wrapper: str = ""
    ) -> list[Graph]:
        """The compiled graphs; more than one where the compiler had to leave something to Python.

        ``generated`` are Inductor's generated Python modules, which hold the kernels; ``wrapper``: see ``modules``.
        """
        by_source = {Path(module.__file__).read_text(): module for module in generated if module.__file__}
        stacks = _Stacks(compiled, wrapper)
        graphs = []
        for folder, graph in self._graphs.items():
            record = Path(folder) / "inductor_provenance_tracking_node_mappings.json"
            source = Path(folder) / "output_code.py"
            if not record.is_file() or not source.is_file():
                continue
            module = by_source.get(source.read_text())
            if module is None:
                continue
            covered = json.loads(record.read_text()).get("cppCodeToPost", {})
            nodes = _Nodes(graph, self._weights.get(folder, {}), stacks)
            layers = frozenset(layer for layer in nodes.layer_of.values() if layer)
            graphs.append(Graph(module, tuple(nodes.kernels(covered)), layers))
        return graphs


def _folder() -> str:
    from torch._inductor.virtualized import V

    return str(V.debug._path)


class _Stacks:
    """From the stack of modules in which a node was traced to its layer."""

    def __init__(self, compiled: torch.nn.Module, wrapper: str) -> None:
        self._whole, self._wrapper = type(compiled), wrapper
        self._kinds = {layer: type(part) for layer, part in modules_by_layer(compiled, wrapper).items()}

    def layer(self, stack: Mapping[str, tuple[str, type]] | None) -> str | None:
        """The deepest module of a stack that is a layer; None when there is none.

        A stack is from the whole module downwards, or, where the compiler started again in the middle, from a module of
        which only a variable's name is known: then the layer is the only one of its class whose path ends like it.
        """
        entries = list((stack or {}).values())
        whole = bool(entries) and entries[0][1] is self._whole and not _steps(entries[0][0])
        for path, kind in reversed(entries):
            steps = _steps(path)
            if not whole:
                ends = [layer for layer in self._kinds if steps and layer.split(".")[-len(steps) :] == steps]
                fitting = [layer for layer in ends if self._kinds[layer] is kind]
                if len(fitting) == 1:
                    return fitting[0]
            elif not self._wrapper or steps[:1] == [self._wrapper]:
                name = ".".join(steps[1:] if self._wrapper else steps) or ROOT
                if name in self._kinds:
                    return name
        return None


def _steps(path: str) -> list[str]:
    """The attributes in a path such as ``L['module'].net.blocks[0]``, without the variable in front."""
    return [next(filter(None, groups)) for groups in _STEP.findall(_VARIABLE.sub("", path))]


class _Nodes:
    """The nodes of a finished graph with their layers."""

    def __init__(self, graph: Any, owners: Mapping[str, Any], stacks: _Stacks) -> None:
        self.nodes = {node.name: node for node in graph.nodes}
        self.layer_of = {name: stacks.layer(node.meta.get("nn_module_stack")) for name, node in self.nodes.items()}
        self.layer_of |= {name: stacks.layer(stack) for name, stack in owners.items() if name in self.nodes}
        for name, node in self.nodes.items():
            if node.op == "call_function" and self.layer_of[name] is None:
                # Inductor's own, such as a copy into another layout: part of what made the value.
                layers = (self.layer_of[source.name] for source in node.all_input_nodes)
                self.layer_of[name] = next(filter(None, layers), None)

    def kernels(self, covered: Mapping[str, Sequence[str]]) -> Iterator[Kernel]:
        """The launches in order; ``covered`` has the names of nodes by ``<kernel>:<number of the launch>``."""
        launches = sorted(covered.items(), key=lambda item: int(item[0].rpartition(":")[2]))
        products: dict[str, str] = {}
        taken: set[str] = set()
        for launch, names in launches:
            kernel = launch.rpartition(":")[0]
            if not _is_loop(kernel) and (main := self._operator_node(kernel, names, taken)):
                products[launch] = main
                taken.add(main)
        seen: set[str] = set()
        for launch, names in launches:
            kernel = launch.rpartition(":")[0]
            here = [name for name in names if self.layer_of.get(name)]
            new = [name for name in here if name not in seen]
            seen.update(here)
            if _is_loop(kernel):
                yield self._loop(kernel, new or here, taken)
            else:
                yield self._operator(kernel, products[launch]) if launch in products else Kernel(kernel, True, None)

    def _operator_node(self, kernel: str, names: Sequence[str], taken: set[str]) -> str | None:
        """The node that an operator's launch computes: of its own kind, else one that fusion replaced."""
        operator = kernel.removeprefix("torch.ops.").removeprefix("extern_kernels.").removesuffix(".default")
        nodes = [self.nodes[name] for name in names if name in self.nodes]
        # Where a sum is computed in place, Inductor also names it as the origin of the operator that made the summand.
        given = [source for node in nodes if _is_replaced(node) for source in node.all_input_nodes]
        same = [node.name for node in (*nodes, *given) if operator in str(node.target)]
        replaced = [node.name for node in nodes if _is_replaced(node)]
        return next((name for name in (*same, *replaced) if name not in taken), None)

    def _operator(self, kernel: str, name: str) -> Kernel:
        node = self.nodes[name]
        weights = [self.layer_of[n.name] for n in node.all_input_nodes if n.op == "get_attr"]
        layer = next((w for w in weights if w), None) or self.layer_of[name]
        shares = {other: _made(node) for other in (layer, self.layer_of[name]) if other}
        return Kernel(kernel, True, layer, shares)

    def _loop(self, kernel: str, names: Sequence[str], products: set[str]) -> Kernel:
        """A loop that Inductor wrote. Its work for a layer: elements read by each reduction, and once by all the rest.

        What a library's operator computes isn't in it, at most the copy that the operator asks for.
        """
        reduced, mapped = Counter[str](), dict[str, int]()
        for name in names:
            layer, node = self.layer_of[name], self.nodes[name]
            if layer is None:
                continue
            mapped.setdefault(layer, 0)
            if name in products or _is_view(node):
                continue
            if _operation(node) in _REDUCTIONS:
                reduced[layer] += max((_made(source) for source in node.all_input_nodes), default=0)
            else:
                mapped[layer] = max(mapped[layer], _made(node))
        shares = {layer: mapped[layer] + reduced[layer] for layer in mapped}
        return Kernel(kernel, False, max(shares, key=shares.__getitem__, default=None), shares)


def _is_loop(kernel: str) -> bool:
    return kernel.startswith("cpp_")


def _is_replaced(node: Any) -> bool:
    """Whether a fusion pattern has replaced what was traced."""
    return "Match(" in str(node.target)


def _is_view(node: Any) -> bool:
    return _operation(node) in _VIEWS


def _operation(node: Any) -> str:
    return str(getattr(node.target, "_opname", None) or getattr(node.target, "__name__", ""))


def _made(node: Any) -> int:
    """Elements of the largest tensor that a node makes."""
    values = node.meta.get("val")
    made = values if isinstance(values, (tuple, list)) else [values]
    return max((math.prod(value.shape) for value in made if hasattr(value, "shape")), default=0)
