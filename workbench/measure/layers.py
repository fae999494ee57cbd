"""The per-layer table that every runtime fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.measure.clock import Stats
from workbench.measure.counts import LayerCount

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "component", "layer", "op", "scheme", "calls", "latency_ms", "latency_iqr_ms", "share", "macs", "params",
    "weight_bytes", "activation_bytes", "peak_bytes", "attention_macs", "element_ops", "fused_into", "runtime_bytes",
)  # fmt: skip
"""Columns of a CSV. ``macs`` is convolution and linear; ``peak_bytes`` is estimated (values alive while the layer
runs), ``runtime_bytes`` is what the runtime reports that it holds then; all times are measured. A layer without a
kernel of its own has zero time; ``fused_into`` names the layer that computes it."""

UNMAPPED, OUTSIDE = "(unmapped)", "(runtime)"
"""Rows of every table: kernels whose layer is unknown, and wall time outside all kernels."""

INTEGER_COLUMNS = (
    "calls", "macs", "params", "weight_bytes", "activation_bytes", "peak_bytes", "attention_macs", "element_ops",
    "runtime_bytes",
)  # fmt: skip
"""Columns of integers."""


@dataclass(frozen=True)
class Integer:
    """Shares (0…1) of the MACs that integer kernels computed: of convolutions and linears, and of all products.

    ``stored`` is the share of convolutions and linears whose operands the file holds as integers; where it is larger,
    the runtime dequantized them and computed in float.
    """

    layers: float = 0.0
    with_attention: float = 0.0
    stored: float = 0.0


@dataclass(frozen=True)
class Event:
    """One kernel of one pass: its name in the runtime, layer, kind of operator, begin and duration in µs."""

    name: str
    layer: str
    op: str
    start_us: float
    duration_us: float


@dataclass(frozen=True)
class Transition:
    """Kernels that turn one precision into another (``fp32`` → ``int8``): how many per pass, and their time in ms."""

    before: str
    after: str
    count: int
    ms: float


@dataclass(frozen=True)
class Layers:
    """The per-layer pass of one component.

    ``rows``: a mapping for each layer, by ``COLUMNS`` without ``component`` and ``share``; unknown values are left out.
    ``kernel_ms`` and ``wall_ms`` are medians per pass with the runtime's profiling on, ``op_ms`` the median time per
    pass by kind of operator; None: this runtime doesn't report it. ``integer``: how much is computed in integers.
    """

    rows: tuple[Mapping[str, Any], ...]
    wall_ms: float
    kernel_ms: float | None
    unmapped_share: float
    op_ms: Mapping[str, float]
    passes: int
    integer: Integer = Integer()
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Time in ms of each layer, pass by pass, ``(unmapped)`` and ``(runtime)`` among them."""
    events: tuple[Event, ...] = ()
    """The kernels of the pass whose kernel time is the median."""
    transitions: tuple[Transition, ...] = ()
    live_peak_bytes: int | None = None
    """Most bytes of values alive at one time (estimated), and the layer that runs then."""
    live_peak_at: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The rows, and in the column ``share`` each row's share of the total time; it sums to 1."""
        import pandas as pd

        table = pd.DataFrame(list(self.rows))
        total = table["latency_ms"].sum()
        return table.assign(share=table["latency_ms"] / total if total else 0.0)


def row(layer: str, times: Sequence[float], **columns: Any) -> dict[str, Any]:
    """A row of the table, from the layer's times in ms, pass by pass."""
    stats = Stats(tuple(times))
    return {"layer": layer, "latency_ms": stats.median, "latency_iqr_ms": stats.iqr, **columns}


def counted_columns(count: LayerCount | None) -> dict[str, int]:
    """The columns of what is counted of a layer; zeros for a layer without."""
    return {name: getattr(count, name, 0) for name in ("macs", "params", "attention_macs", "element_ops")}


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each name's times, longest first."""
    by_name = {name: Stats(tuple(taken)).median for name, taken in times.items()}
    return dict(sorted(by_name.items(), key=lambda item: -item[1]))


def median_index(values: Sequence[float]) -> int:
    """Index of the value that is the median, or of the lower of the two in the middle."""
    return sorted(range(len(values)), key=values.__getitem__)[(len(values) - 1) // 2]


def ordered(table: pd.DataFrame, component: str) -> pd.DataFrame:
    """``table`` as written to the CSV: all ``COLUMNS``, the component's name first."""
    return table.assign(component=component).reindex(columns=list(COLUMNS))
