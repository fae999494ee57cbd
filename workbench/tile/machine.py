"""The modelled machine: one scratchpad, memory behind it, a tensor engine and a vector engine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import InputError

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30}
_LARGEST = 10**12
"""Bytes; no scratchpad comes close."""
_RATES = 1.0, 1e18
_NUMBER = re.compile(r"\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*([a-z]*)\s*(/s)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Machine:
    """The accelerator as the model sees it; all rates are sustained.

    Attributes:
        sram: bytes of the scratchpad available to one attention.
        bandwidth: bytes a second between memory and scratchpad, in either direction.
        macs_per_s: multiply-accumulates a second of the tensor engine.
        vector_per_s: elements of a softmax a second on the vector engine.
        handover_s: seconds that each operator loses on each tile.
    """

    sram: int
    bandwidth: float
    macs_per_s: float
    vector_per_s: float
    handover_s: float


def parse_size(text: str, option: str = "--sram") -> int:
    """``6MB`` (6,000,000), ``6MiB`` (6,291,456), ``512kB`` or a plain number of bytes.

    Raises:
        InputError: it is none of these, less than a byte, or more than 1 TB.
    """
    needs = "needs bytes, such as 6MB (6,000,000) or 6MiB (6,291,456), at most 1TB"
    number, unit, per_second = _split(text, option, needs)
    size = unit.lower().removesuffix("b")
    if unit and not unit.lower().endswith("b"):
        raise InputError(f"{option}: found {text!r}; {needs}", hint=f"did you mean {text.strip()}B?")
    factor = (_DECIMAL | _BINARY).get(size)
    # 1e999 parses as infinity, which is too large as well
    if factor is None or per_second or not 1 <= number * factor <= _LARGEST:
        raise InputError(f"{option}: found {text!r}; {needs}")
    return int(number * factor)


def parse_rate(text: str, option: str, unit: str) -> float:
    """``55GB/s`` (of ``unit`` "B"), ``3.3T`` or ``3.3e12``, ``/s`` or not; per second.

    Raises:
        InputError: it is none of these, or outside 1 to 1e18.
    """
    needs = f"needs a rate a second, such as {'55GB/s' if unit else '3.3e12 or 3.3T'}, 1 to 1e18"
    number, suffix, _ = _split(text, option, needs)
    prefix = suffix.lower().removesuffix(unit.lower())
    factor = (_DECIMAL | _BINARY if unit else _DECIMAL).get(prefix)
    if factor is None or not _RATES[0] <= number * factor <= _RATES[1]:  # beyond them, times are no longer numbers
        raise InputError(f"{option}: found {text!r}; {needs}")
    return number * factor


def _split(text: str, option: str, needs: str) -> tuple[float, str, bool]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InputError(f"{option}: found {text!r}; {needs}")
    return float(match[1]), match[2], bool(match[3])
