"""The JSON of a profile as types, for those who write it and those who read it: ``docs/profile.md``, schema version 2.

Older profiles lack keys, so none is required here; what wasn't measured is null. Times in ms, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import TypedDict

from workbench.measure.clock import Latency

SCHEMA_VERSION = 2
"""2 added layer samples, events, transitions, the peak of live values, and profiles of no pipeline."""


class Transition(TypedDict):
    """Kernels of one pass that turn one precision into another."""

    before: str
    after: str
    count: int
    ms: float


class Component(TypedDict, total=False):
    """One component, one pass of it. Shares are of MACs; ``shared_with``: the network whose figures these are."""

    latency_ms: Latency
    load_cold_ms: float | None
    load_warm_ms: float | None
    first_call_ms: float | None
    first_call_cache: str | None
    size_bytes: int
    params: int
    macs: int
    macs_with_attention: int
    uncounted: Mapping[str, int]
    counting_notes: Sequence[str]
    quantized_macs_share: float | None
    quantized_macs_share_with_attention: float | None
    stored_quantized_macs_share: float | None
    kernel_ms: float | None
    profiled_wall_ms: float | None
    kernel_over_wall: float | None
    unmapped_share: float | None
    op_ms: Mapping[str, float]
    profiled_passes: int
    scheme: str
    simulated: bool
    shared_with: str | None
    transitions: Sequence[Transition]
    live_peak_bytes: int | None
    live_peak_at: str | None
    layer_samples_ms: Mapping[str, Sequence[float]]
    events: Sequence[Sequence[Any]]


class Pipeline(TypedDict, total=False):
    """One picture: ``steps`` denoising steps, for which the scheduler makes ``timesteps``, of ``guidance_passes`` U-Net
    passes each; ``parts_ms`` by component."""

    steps: int
    timesteps: int
    guidance_scale: float
    guidance_passes: int
    formula: str
    latency_ms: Latency
    spread: str
    parts_ms: Mapping[str, float]


class Reached(TypedDict, total=False):
    """What the machine was seen to reach with one operator; ``bytes``: what that moves (memory only)."""

    best: float
    median: float
    iqr: float
    n: int
    unit: str
    of: str
    bytes: int


class Ceilings(TypedDict, total=False):
    """The machine's own, through one runtime; ``refused``: why a product has none; ``memory``: smallest first."""

    runtime: str
    threads: int
    what: str
    fp32: Reached
    int8: Reached | None
    memory: Sequence[Reached]
    refused: Mapping[str, str]
    warnings: Sequence[str]
    seconds: float


class Summary(TypedDict, total=False):
    """A whole profile: one candidate on one target. Sums are over the components, one pass of each."""

    schema_version: int
    candidate: str
    target: str
    runtime: str
    scheme: str
    lineage: Sequence[str]
    simulated: bool
    emulated: bool
    pipeline: Pipeline | None
    components: Mapping[str, Component]
    size_bytes: int
    params: int
    macs: int
    macs_with_attention: int
    peak_rss_bytes: int | None
    runtime_rss_bytes: int | None
    running_rss_bytes: int | None
    peak_rss_reason: str | None
    what_macs_are: str
    threads: int
    seed: int
    noise: Mapping[str, Any]
    runtime_settings: Mapping[str, str]
    ceilings: Ceilings
    environment: Mapping[str, Any]
    host_environment: Mapping[str, Any]
    device: Mapping[str, Any]
    warnings: Sequence[str]
