"""All measurements of one candidate on one target, as data: the store keeps it, profiles are written from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from workbench.measure.clock import Stats
from workbench.measure.counts import Count
from workbench.measure.layers import Layers
from workbench.measure.memory import Peak
from workbench.models.scheduler import read_scheduler

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from workbench.measure.network import Network

VERSION = 1


@dataclass(frozen=True)
class Timed:
    """Times of one network: its passes, and in ms the first load from disk, the second, and the first call."""

    stats: Stats
    load_cold_ms: float
    load_warm_ms: float
    first_call_ms: float
    first_call_cache: str | None = None
    """Where the first call compiles: whether the cache was ``cold`` or ``warm``."""


@dataclass(frozen=True)
class Measured:
    """All measurements of one network on one runtime.

    ``inputs`` are names in order, ``size_bytes`` is as deployed; ``shared_with`` names the network whose figures these
    are.
    """

    scheme: str
    inputs: tuple[str, ...]
    size_bytes: int
    timed: Timed
    layers: Layers
    count: Count
    shared_with: str | None = None


@dataclass(frozen=True)
class Record:
    """A candidate's networks by component, measured on one target.

    ``denoiser`` and ``formula`` (the cost of a picture) are its family's, ``scheduler`` is its pipeline's config;
    empty where there is none. ``facts`` are the conditions as the profile states them (JSON): threads, seed,
    environment, … ``apart`` names components whose candidates don't fit into memory together, so that each was loaded
    anew in every round.
    """

    candidate: str
    runtime: str
    target: str
    components: Mapping[str, Measured]
    peak: Peak
    facts: Mapping[str, Any] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    denoiser: str = ""
    formula: str = ""
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION

    @property
    def main(self) -> Measured:
        """The denoiser, which represents the candidate; where there is none, the first network."""
        return self.components.get(self.denoiser) or next(iter(self.components.values()))


def with_pipeline(record: Record, network: Network) -> Record:
    """The record with what the network's pipeline says of a picture's cost."""
    family, source = network.family, network.source
    if family is None or source is None:
        return record
    return replace(record, denoiser=family.denoiser.name, formula=family.formula, scheduler=read_scheduler(source))


def to_json(record: Record) -> bytes:
    """The record as JSON; ``from_json`` gives an equal one."""
    return _adapter().dump_json(record)


def from_json(text: str | bytes) -> Record:
    """The record that ``to_json`` wrote.

    Raises:
        ValueError: it isn't a record, or one of another version.
    """
    record = _adapter().validate_json(text)
    if record.version != VERSION:
        raise ValueError(f"a record of version {record.version}; this is {VERSION}")
    return record


@cache
def _adapter() -> TypeAdapter[Record]:
    from pydantic import TypeAdapter

    return TypeAdapter(Record)
