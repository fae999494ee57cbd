"""``workbench count``: parameters and multiply-accumulates of what a source names; no weights, nothing is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.terminal import table

if TYPE_CHECKING:
    from workbench.measure.counts import Count
    from workbench.measure.network import Network
    from workbench.sources.request import Request

SCHEMA_VERSION = 1
_TOTALS = ("params", "macs", "attention_macs", "macs_with_attention", "element_ops")
_PER_LAYER = ("layer", "kind", "calls", "params", "macs", "attention_macs", "element_ops")


@dataclass(frozen=True)
class Counted:
    """A network and what was counted of it."""

    network: Network
    count: Count

    def totals(self) -> dict[str, int]:
        """Sums over the layers; ``macs`` without the products of attention."""
        sums = {
            name: sum(getattr(layer, name) for layer in self.count.layers) for name in ("attention_macs", "element_ops")
        }
        counted = self.count
        return {
            "params": counted.params,
            "macs": counted.macs,
            "attention_macs": sums["attention_macs"],
            "macs_with_attention": counted.macs_with_attention,
            "element_ops": sums["element_ops"],
        }


def count_source(request: Request) -> list[Counted]:
    """Counts the components of a source for one pass: from torch's meta device where there is a module, else the graph.

    Raises:
        InputError: there is no such source, or it can't be used as it is.
        RunError: a factory's module can't be run.
    """
    from workbench.graphs.quiet import quiet as silenced
    from workbench.profile.counts import count_network
    from workbench.sources import resolve

    networks = resolve(replace(request, needs="count"))
    with silenced():
        return [Counted(network, count_network(network)) for network in networks]


def as_json(source: str, counted: Sequence[Counted]) -> dict[str, Any]:
    """All of it, layers included."""
    return {
        "schema_version": SCHEMA_VERSION,
        "source": source,
        "components": {
            one.network.component: {
                "candidate": one.network.candidate,
                "counted_from": "torch" if one.network.torch else "graph",
                "inputs": {
                    name: {"shape": list(value.shape), "type": str(value.dtype)}
                    for name, value in one.network.feed.items()
                },
                **one.totals(),
                "uncounted": dict(one.count.uncounted),
                "notes": list(one.count.notes),
                "layers": [dataclasses.asdict(layer) for layer in one.count.layers],
            }
            for one in counted
        },
    }


def show(counted: Sequence[Counted], layers: bool) -> None:
    """Prints a table of the components, with ``layers`` one of each component's layers too, and what wasn't counted."""
    if layers:
        for one in counted:
            facts = ([getattr(layer, name) for name in _PER_LAYER] for layer in one.count.layers)
            rows = ([each if isinstance(each, str) else f"{each:,}" for each in row] for row in facts)
            table(_PER_LAYER, rows, _PER_LAYER[:2])
            print()
    table(
        ("component", *_TOTALS),
        ((one.network.label, *(f"{value:,}" for value in one.totals().values())) for one in counted),
    )
    for one in counted:
        if one.count.uncounted:
            listed = ", ".join(f"{op} × {times}" for op, times in one.count.uncounted.items())
            print(f"{one.network.label}: not counted: {listed}")
        for note in one.count.notes:
            print(f"{one.network.label}: {note}")
    shapes = {name: value.shape for one in counted for name, value in one.network.feed.items()}
    inputs = ", ".join(f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in shapes.items())
    print(f"one pass at {inputs}; macs: convolutions and linear layers, attention_macs: products of two activations")
