"""MACs and parameters of every component of a chain: by PyTorch where it has the network, else by the ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workbench.models.candidate import COMPONENTS, Candidate
from workbench.profile.macs import Count
from workbench.profile.onnx_macs import count_graph


def count_candidates(
    candidates: Sequence[Candidate], onnx_paths: Mapping[str, Mapping[str, Path]]
) -> dict[tuple[str, str], Count]:
    """The count of each component by candidate name and component.

    An ONNX component keeps the parameters of the torch component it was made from when both have the same MACs
    (quantizing changes neither); the graph alone can't tell a folded constant from a bias.
    """
    found: dict[tuple[str, str], Count] = {}
    known: dict[tuple[str, Path], Count] = {}
    latest: dict[str, Count] = {}
    for candidate in candidates:
        for name in COMPONENTS:
            own = candidate.components[name]
            if (name, own.path) not in known:
                known[name, own.path] = (
                    _of_torch(candidate, name) if own.kind == "torch" else _of_graph(own.path, latest.get(name))
                )
            found[candidate.name, name] = known[name, own.path]
            latest[name] = known[name, own.path]
    return found


def _of_torch(candidate: Candidate, name: str) -> Count:
    from workbench.export.components import spec
    from workbench.profile.counting import count_component

    tokens, side = (
        spec(candidate, "text_encoder").inputs["input_ids"][0][1],
        spec(candidate, "unet").inputs["sample"][0][2],
    )
    return count_component(name, candidate.components[name].path, side, tokens)


def _of_graph(path: Path, parent: Count | None) -> Count:
    counted = count_graph(path).count
    if parent is None or (parent.macs, parent.macs_with_attention) != (counted.macs, counted.macs_with_attention):
        return counted
    return parent
