"""Whether a runtime only imitates the integers that a scheme asks for."""

from __future__ import annotations

from workbench.models.schemes import SCHEMES

HALF = 0.5
"""Share of the quantized layers' MACs in integer kernels below which an integer scheme is simulated."""
SOME = 0.1
"""Share of MACs between stored integers above which a network of unknown scheme counts as an integer one."""


def simulated(scheme: str, integer: float, stored: float) -> bool:
    """Whether the scheme multiplies integers but the runtime multiplies (most of) them as floats.

    Weight-only schemes (``w4a16``) and half floats require no integer products, so they are never simulated. Only
    8-bit integers on both sides have kernels, so ``stored`` counts no others: with 16-bit activations, whose pairs
    OpenVINO drops altogether, or 4-bit weights, the integer share is compared with all MACs.

    Args:
        scheme: the component's; where it is unknown (a foreign file), ``stored`` decides.
        integer: share (0…1) of the MACs of convolutions and linears that integer kernels computed.
        stored: share of them whose operands are both integers in the file.
    """
    known = SCHEMES.get(scheme)
    if known is None:
        return stored > SOME and integer < HALF * stored
    return known.integer_activations and integer < HALF * (stored if known.has_kernels and stored else 1.0)


def in_float(scheme: str, integer: float, stored: float) -> str | None:
    """A warning where a runtime computes in float what is stored or required as integers; arguments as above."""
    if integer < 0.9 * stored:
        return (
            f"{stored:.0%} of the MACs are quantized in the file, but only {integer:.0%} run in integers: the runtime "
            "dequantizes and computes in float"
        )
    if simulated(scheme, integer, stored):
        return (
            f"{scheme} asks for products of integers, but the runtime computes {1 - integer:.0%} of the MACs in float"
        )
    return None
