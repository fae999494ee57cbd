"""What the names of schemes mean: bits of weights and of activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SchemeName = Literal["w8a8", "w8a16", "w4a16", "w4a8", "fp16"]


@dataclass(frozen=True)
class Scheme:
    """``weight_bits`` of convolutions' and linears' weights; ``activation_bits`` of their inputs, None: float."""

    weight_bits: int
    activation_bits: int | None

    @property
    def integer_activations(self) -> bool:
        """Whether the scheme is meant to be computed in integers."""
        return self.activation_bits is not None

    @property
    def has_kernels(self) -> bool:
        """Whether processors multiply its integers as such; of other widths they are computed in float."""
        return (self.weight_bits, self.activation_bits) == (8, 8)

    @property
    def integer_weights(self) -> bool:
        """Whether weights lie on a grid of integers."""
        return self.weight_bits <= 8


SCHEMES: Mapping[str, Scheme] = {
    "fp32": Scheme(32, None),
    "fp16": Scheme(16, None),
    "w8a8": Scheme(8, 8),
    "w8a16": Scheme(8, 16),
    "w4a16": Scheme(4, None),
    "w4a8": Scheme(4, 8),
}
"""All schemes by name. The activations of w8a16 are 16-bit integers, as on phones' NPUs (EdgeFusion, section 3.3;
Qualcomm AI Hub); those of w4a16, a scheme of weights only, are 16-bit or 32-bit floats, whichever the runtime takes."""
