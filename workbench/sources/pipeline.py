"""A pipeline: the embedded demo, a diffusers folder, or one from the Hub."""

from __future__ import annotations

from workbench.measure.network import Network
from workbench.models import sources
from workbench.models.candidate import pipeline_candidate
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import Request


def networks(request: Request) -> list[Network]:
    """Its components, or the requested one; the candidate has the folder's name."""
    folder = sources.resolve(request.source)
    name = sources.DEMO if request.source == sources.DEMO else folder.resolve().name
    if request.source.startswith(sources.HUB):
        name = request.source.rpartition("/")[2]
    candidate = pipeline_candidate(name, "", folder)
    return networks_of(candidate, chosen(request.component, candidate.family), request)
