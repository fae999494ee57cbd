"""Parameters and MACs of a network's layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class LayerCount:
    """One module's own work in one forward pass, without that of its submodules.

    ``macs`` counts convolutions and products with a weight, ``attention_macs`` products of two activations,
    ``element_ops`` one per output element of pointwise and per input element of norm, softmax, pooling and resizing
    operators. ``activation_bytes`` is what its operators write (estimated: a runtime that fuses writes less).
    """

    layer: str
    kind: str
    params: int
    macs: int
    attention_macs: int
    element_ops: int
    activation_bytes: int
    calls: int

    @property
    def is_counted(self) -> bool:
        """Whether leaving the layer out would lose parameters or products."""
        return bool(self.params or self.macs or self.attention_macs)


@dataclass(frozen=True)
class Count:
    """A component's layers in order of the module tree, and the operators that could not be counted.

    ``notes`` are sentences on what is counted in an unexpected way.
    """

    layers: tuple[LayerCount, ...]
    uncounted: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def params(self) -> int:
        """Parameters; one shared by several modules counts once."""
        return sum(layer.params for layer in self.layers)

    @property
    def macs(self) -> int:
        """Convolution and linear MACs, the number that papers print."""
        return sum(layer.macs for layer in self.layers)

    @property
    def macs_with_attention(self) -> int:
        """All products, those of attention included."""
        return self.macs + sum(layer.attention_macs for layer in self.layers)

    def change_to(self, after: Count) -> dict[str, dict[str, int]]:
        """Parameters and MACs: ``before``, those of this one, and ``after``."""
        names = ("params", "macs", "macs_with_attention")
        return {name: {"before": getattr(self, name), "after": getattr(after, name)} for name in names}

    def table(self) -> pd.DataFrame:
        """One row per layer."""
        import dataclasses

        import pandas as pd

        columns = [field.name for field in dataclasses.fields(LayerCount)]
        return pd.DataFrame([dataclasses.astuple(layer) for layer in self.layers], columns=columns)
