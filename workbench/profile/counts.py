"""MACs and parameters of networks: by PyTorch where there is a module, else by the ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.measure.counts import Count, LayerCount
from workbench.measure.network import Network, TorchForm

if TYPE_CHECKING:
    from workbench.graphs.costs import NodeCost


def count_networks(
    networks: Sequence[Network], parents: Mapping[str, str | None] | None = None
) -> dict[tuple[str, str], Count]:
    """The count of each network by candidate and component; ``parents`` says what a candidate was made from.

    A network that exists only as a file keeps the count of its parent when both have the same MACs: quantizing changes
    neither, and a graph alone can't tell a folded constant from a bias.
    """
    found: dict[tuple[str, str], Count] = {}
    known: dict[tuple[str, str], Count] = {}
    for network in networks:
        if network.identity not in known:
            known[network.identity] = count_network(
                network, found.get(((parents or {}).get(network.candidate) or "", network.component))
            )
        found[network.candidate, network.component] = known[network.identity]
    return found


def count_network(network: Network, parent: Count | None = None) -> Count:
    """The count of one network; ``parent`` is that of the network it was made from, if any.

    Raises:
        InputError: the network's config or file can't be read.
    """
    if network.torch is not None:
        return _of_folder(network, network.torch) if network.torch.kind == "folder" else _of_factory(network)
    assert network.file is not None
    if network.file.suffix != ".onnx":
        return _of_openvino(network.file, parent)
    return _of_graph(network.file, network, parent)


def _of_folder(network: Network, form: TorchForm) -> Count:
    from workbench.runtimes.torch.counting import count_component

    shapes = {name: value.shape for name, value in network.feed.items()}
    height, width = (shapes.get("sample") or shapes.get("latent") or (0, 0))[-2:]
    tokens = shapes["input_ids"][1] if "input_ids" in shapes else shapes.get("encoder_hidden_states", (0, 0))[1]
    return count_component(network.component, Path(form.where), (height, width), tokens)


def _of_factory(network: Network) -> Count:
    from workbench.runtimes.torch.form import count_factory

    assert network.torch is not None
    return count_factory(network.torch.where, network.feed)


def _of_graph(path: Path, network: Network, parent: Count | None) -> Count:
    from workbench.graphs.macs import count_graph

    counted = count_graph(path, _shapes(network)).count
    if parent is None or (parent.macs, parent.macs_with_attention) != (counted.macs, counted.macs_with_attention):
        return counted
    return parent


def _of_openvino(path: Path, parent: Count | None) -> Count:
    """From OpenVINO's own file: products and the weights that they multiply with; the rest isn't counted there."""
    from workbench.runtimes.openvino.costs import openvino_costs

    layers: dict[str, list[NodeCost]] = {}
    for cost in openvino_costs(path):
        layers.setdefault(cost.layer, []).append(cost)
    rows = tuple(_row(layer, costs) for layer, costs in layers.items())
    counted = Count(rows, {})
    return parent if parent is not None and parent.macs_with_attention == counted.macs_with_attention else counted


def _row(layer: str, costs: Sequence[NodeCost]) -> LayerCount:
    return LayerCount(
        layer=layer,
        kind=costs[0].op,
        params=sum(cost.weights for cost in costs),
        macs=sum(cost.macs for cost in costs if cost.weights),
        attention_macs=sum(cost.macs for cost in costs if not cost.weights),
        element_ops=0,
        activation_bytes=0,
        calls=len(costs),
    )


def _shapes(network: Network) -> Mapping[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.feed.items()}
