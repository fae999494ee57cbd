"""A pipeline: the embedded demo, a diffusers folder, one from the Hub, or a single-file checkpoint."""

from __future__ import annotations

from pathlib import Path

from workbench.measure.network import Network
from workbench.models import sources
from workbench.models.candidate import pipeline_candidate
from workbench.models.hub import HUB
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import Request


def networks(request: Request) -> list[Network]:
    """Its components, or the requested one; the candidate has the folder's name."""
    weights = request.needs != "count"
    folder = sources.resolve(request.source, request.store, request.progress, prompts=False, weights=weights)
    name = Path(request.source).stem if Path(request.source).is_file() else folder.resolve().name
    if request.source == sources.DEMO:
        name = sources.DEMO
    elif request.source.startswith(HUB):
        name = request.source.rpartition("/")[2]
    candidate = pipeline_candidate(name, "", folder)
    return networks_of(candidate, chosen(request.component, candidate.family), request)
