"""``RUN/CANDIDATE``: a candidate that ``workbench run`` left in the store; ``RUN``: the one that it chose."""

from __future__ import annotations

from workbench.measure.network import Network
from workbench.models.record import AGAIN, candidate_of
from workbench.sources.candidate import check_there, chosen, networks_of
from workbench.sources.request import Request


def networks(request: Request) -> list[Network]:
    """Its components, or the requested one."""
    candidate = candidate_of(request.store, request.source)
    components = chosen(request.component, candidate.family)
    check_there(candidate, components, AGAIN)
    return networks_of(candidate, components, request)
