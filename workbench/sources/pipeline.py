"""A pipeline: the embedded demo, a diffusers folder, or one of the Hub."""

from __future__ import annotations

from workbench.measure.network import Network
from workbench.models import sources
from workbench.models.candidate import COMPONENTS, FOLDERS, Candidate, Component
from workbench.sources.candidate import chosen, networks_of
from workbench.sources.request import Asked


def networks(asked: Asked) -> list[Network]:
    """Its three components, or the one asked for; the candidate has the folder's name."""
    components = chosen(asked.component)
    folder = sources.resolve(asked.source)
    parts = {name: Component(name, "torch", folder / FOLDERS[name]) for name in COMPONENTS}
    name = sources.DEMO if asked.source == sources.DEMO else folder.resolve().name
    if asked.source.startswith(sources.HUB):
        name = asked.source.rpartition("/")[2]
    return networks_of(Candidate(name, "", folder, parts), components, asked)
