"""A pipeline: the embedded demo, a diffusers folder, or one of the Hub."""

from __future__ import annotations

from workbench.measure.network import Network
from workbench.models import sources
from workbench.models.candidate import COMPONENTS, FOLDERS, Candidate, Component
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import Request


def networks(request: Request) -> list[Network]:
    """Its three components, or the one asked for; the candidate has the folder's name."""
    components = chosen(request.component)
    folder = sources.resolve(request.source)
    parts = {name: Component(name, "torch", folder / FOLDERS[name]) for name in COMPONENTS}
    name = sources.DEMO if request.source == sources.DEMO else folder.resolve().name
    if request.source.startswith(sources.HUB):
        name = request.source.rpartition("/")[2]
    return networks_of(Candidate(name, "", folder, parts), components, request)
