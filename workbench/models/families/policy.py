"""What a published method leaves out of quantization, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PolicySet:
    """What a policy leaves in float and what it treats apart.

    Attributes:
        patterns: regular expressions over layer paths (searched, not anchored): these layers stay float.
        shortcut_split: shortcuts after a concatenation are quantized as two convolutions.
        first_token: cross-attention's key and value of the first token are constants in float.
        attention: whether attention's own products are quantized too.
        softmax_bits: bits of the softmax's output where they are.
        source: where it was published.
        note: what of the method the set doesn't express, or expresses otherwise.
    """

    patterns: tuple[str, ...] = ()
    shortcut_split: bool = False
    first_token: bool = False
    attention: Literal["float", "quantized"] = "float"
    softmax_bits: int | None = None
    source: str = "a generic set"
    note: str = ""
