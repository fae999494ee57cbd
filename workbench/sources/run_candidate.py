"""``RUN/CANDIDATE``: a candidate that ``workbench run`` left in the store."""

from __future__ import annotations

from workbench.errors import InputError, did_you_mean
from workbench.measure.network import Network
from workbench.models.record import AGAIN, read_record, runs
from workbench.sources.candidate import check_there, chosen, networks_of
from workbench.sources.request import Request


def networks(request: Request) -> list[Network]:
    """Its components, or the requested one."""
    run, _, name = request.source.partition("/")
    known = runs(request.store)
    if run not in known:
        raise InputError(
            f"{request.source}: no such file or folder, and the store {request.store.root} has no run {run!r}"
            f"{did_you_mean(run, known, after='/' + name)}",
            hint=f"its runs: {', '.join(known)}" if known else "it has no runs; workbench run RECIPE.yaml makes one",
        )
    candidates = {candidate.name: candidate for candidate in read_record(request.store, run)}
    if name not in candidates:
        suggestion = did_you_mean(name, candidates, before=f"{run}/")
        raise InputError(
            f"{request.source}: run {run} has no candidate {name!r}{suggestion}",
            hint=f"it has: {', '.join(candidates)}",
        )
    candidate = candidates[name]
    components = chosen(request.component, candidate.family)
    check_there(candidate, components, AGAIN)
    return networks_of(candidate, components, request)
