"""A candidate's components as networks; shared by pipelines, architectures and candidates of a run."""

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
    """The requested component, or all of the family's; InputError when there is none of that name."""
    if component == DENOISER:
        return (family.denoiser.name,)
    if component is not None and component not in family.names:
        raise unknown(f"--component {component}: no such component", component, family.names)
    return (component,) if component else family.names


def networks_of(candidate: Candidate, components: tuple[str, ...], request: Request) -> list[Network]:
    """The components as networks; exported where ONNX is needed."""
    from workbench.export.stored import stored_export

    contracts = {name: candidate.spec(name) for name in components}
    inputs = [name for contract in contracts.values() for name in contract.inputs]
    check_names([*request.shapes, *request.values], inputs, request.source)
    contracts = {name: _with_shapes(contract, request.shapes, request.source) for name, contract in contracts.items()}
    exported = [name for name in components if candidate.components[name].kind == "torch" and request.needs == "onnx"]
    files = {name: entry.path for name, entry in candidate.components.items() if entry.kind != "torch"}
    if exported:
        with request.progress("export to ONNX", len(exported)) as tick:
            for done, name in enumerate(exported, 1):
                files[name] = stored_export(candidate, name, request.store, contracts[name])
                tick(done, name)
    networks = []
    for name in components:
        entry, feed = candidate.components[name], contracts[name].seeded(request.seed)
        for input_ in feed.keys() & request.values.keys():
            feed[input_][...] = request.values[input_]
        torch = None
        if entry.kind == "torch":
            torch = TorchForm("folder", str(entry.path.absolute()), name, str(candidate.source.absolute()))
        about = (candidate.family, candidate.source)
        networks.append(Network(candidate.name, name, entry.scheme, feed, files.get(name), torch, *about))
    return networks


def check_there(candidate: Candidate, components: tuple[str, ...], hint: str) -> None:
    """Raises InputError when a component's files are gone."""
    for name in components:
        entry, is_torch = candidate.components[name], candidate.components[name].kind == "torch"
        exists = entry.path.is_dir() if is_torch else entry.path.is_file()
        folder = candidate.source / candidate.family.part(name).folder
        if not exists or not (is_torch or (folder / "config.json").is_file()):
            raise InputError(f"{candidate.name}: its {name} is gone: {folder if exists else entry.path}", hint=hint)


def _with_shapes(contract: Spec, shapes: Mapping[str, tuple[int, ...]], source: str) -> Spec:
    inputs = dict(contract.inputs)
    for name in inputs.keys() & shapes.keys():
        requested, (default, kind) = shapes[name], inputs[name]
        free = contract.free.get(name, ())
        if len(requested) != len(default) or any(
            side != requested[i] for i, side in enumerate(default) if i not in free
        ):
            fits = written("any" if i in free else side for i, side in enumerate(default))
            raise InputError(f"--shape {name}={written(requested)}: doesn't fit {source}; needs {name}={fits}")
        if kind == "int64" and requested[1] > default[1]:
            raise InputError(f"--shape {name}={written(requested)}: {source} takes at most {default[1]} tokens")
        inputs[name] = (requested, kind)
    return dataclasses.replace(contract, inputs=inputs)
