"""A candidate's components as networks: what a pipeline, an architecture and a candidate of a run have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from workbench.errors import InputError, unknown
from workbench.measure.network import Network, TorchForm
from workbench.models.candidate import Candidate
from workbench.models.families.base import Family, Spec
from workbench.sources.request import DENOISER, Request
from workbench.sources.shapes import check_names, written


def chosen(component: str | None, family: Family) -> tuple[str, ...]:
    """The component asked for, or all of the family's; InputError when there is none of that name."""
    if component == DENOISER:
        return (family.denoiser.name,)
    if component is not None and component not in family.names:
        raise unknown(f"--component {component}: no such component", component, family.names)
    return (component,) if component else family.names


def networks_of(candidate: Candidate, components: tuple[str, ...], request: Request) -> list[Network]:
    """The components as networks; exported where ONNX is needed."""
    from workbench.export.store import stored_export

    contracts = {name: candidate.spec(name) for name in components}
    known = [name for contract in contracts.values() for name in contract.inputs]
    check_names([*request.shapes, *request.values], known, request.source)
    contracts = {name: _with_shapes(contract, request.shapes, request.source) for name, contract in contracts.items()}
    exported = [name for name in components if candidate.components[name].kind == "torch" and request.needs == "onnx"]
    files = {name: own.path for name, own in candidate.components.items() if own.kind != "torch"}
    if exported:
        with request.progress("export to ONNX", len(exported)) as tick:
            for done, name in enumerate(exported, 1):
                files[name] = stored_export(candidate, name, request.store, contracts[name])
                tick(done, name)
    networks = []
    for name in components:
        own, feed = candidate.components[name], contracts[name].seeded(request.seed)
        for given in feed.keys() & request.values.keys():
            feed[given][...] = request.values[given]
        torch = None
        if own.kind == "torch":
            torch = TorchForm("folder", str(own.path.absolute()), name, str(candidate.source.absolute()))
        networks.append(Network(candidate.name, name, own.scheme, feed, files.get(name), torch, candidate.family))
    return networks


def check_there(candidate: Candidate, components: tuple[str, ...], hint: str) -> None:
    """Raises InputError when a component's files are gone."""
    for name in components:
        own = candidate.components[name]
        there = own.path.is_dir() if own.kind == "torch" else own.path.is_file()
        folder = candidate.source / candidate.family.part(name).folder
        if not there or not (own.kind == "torch" or (folder / "config.json").is_file()):
            raise InputError(f"{candidate.name}: its {name} is gone: {own.path if not there else folder}", hint=hint)


def _with_shapes(contract: Spec, shapes: Mapping[str, tuple[int, ...]], source: str) -> Spec:
    inputs = dict(contract.inputs)
    for name in inputs.keys() & shapes.keys():
        shape, (own, kind) = shapes[name], inputs[name]
        free = contract.free.get(name, ())
        if len(shape) != len(own) or any(
            w != o for i, (w, o) in enumerate(zip(shape, own, strict=True)) if i not in free
        ):
            fits = written("any" if i in free else side for i, side in enumerate(own))
            raise InputError(f"--shape {name}={written(shape)}: doesn't fit {source}; needs {name}={fits}")
        if kind == "int64" and shape[1] > own[1]:
            raise InputError(f"--shape {name}={written(shape)}: {source} takes at most {own[1]} tokens")
        inputs[name] = (shape, kind)
    return dataclasses.replace(contract, inputs=inputs)
