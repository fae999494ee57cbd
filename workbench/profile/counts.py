"""MACs and parameters of networks: by PyTorch where there is a module, else by the ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.measure.counts import Count
from workbench.measure.network import Network
from workbench.runtimes.load import format_of


def count_networks(
    networks: Sequence[Network], parents: Mapping[str, str | None] | None = None
) -> dict[tuple[str, str], Count]:
    """The count of each network by candidate and component; ``parents`` says what a candidate was made from.

    A network that exists only as a file keeps the count of its parent when both have the same MACs: quantizing changes
    neither, and a graph alone can't tell a folded constant from a bias.
    """
    counts: dict[tuple[str, str], Count] = {}
    known: dict[tuple[str, str], Count] = {}
    for network in networks:
        if network.identity not in known:
            known[network.identity] = count_network(
                network, counts.get(((parents or {}).get(network.candidate) or "", network.component))
            )
        counts[network.candidate, network.component] = known[network.identity]
    return counts


def count_network(network: Network, parent: Count | None = None) -> Count:
    """The count of one network; ``parent`` is that of the network it was made from, if any.

    Raises:
        InputError: the network's config or file can't be read.
    """
    form = network.torch
    if form is None:
        shapes = {name: tuple(value.shape) for name, value in network.feed.items()}
        counted = format_of(network.path).count(network.path, shapes)
        same = parent is not None and parent.macs_with_attention == counted.macs_with_attention
        return parent if parent is not None and same else counted
    if form.kind == "factory":
        from workbench.runtimes.torch.form import count_factory

        return count_factory(form.where, network.feed)
    from workbench.models.families import family_of
    from workbench.runtimes.torch.counting import count_component

    return count_component(family_of(Path(form.source)).part(network.component), Path(form.where), network.feed)
