"""Numbers as a reader wants them: three significant digits, a unit, a sign where it is a change."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeGuard

if TYPE_CHECKING:
    from workbench.measure.interval import Interval

MISSING = "–"
MINUS = "−"


def known(value: Any) -> TypeGuard[float]:
    """Whether ``value`` is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def number(value: Any, digits: int = 3) -> str:
    """``value`` with at least ``digits`` significant digits and never an exponent: 0.0123, 1.23, 12.3, 1,234."""
    if not known(value):
        return MISSING
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 9)}f}".replace("-", MINUS)


def compact(value: Any) -> float | int | None:
    """For a page's data: four significant digits, whole counts as they are, null for what was not measured."""
    value = float(value) if isinstance(value, SupportsFloat) else None
    if not known(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.4g}")


def whole(value: Any) -> str:
    """A count: 1,234,567."""
    return f"{value:,.0f}" if known(value) else MISSING


def milliseconds(value: Any) -> str:
    """A time given in ms."""
    return f"{number(value)} ms" if known(value) else MISSING


def seconds(value: Any) -> str:
    """A time given in s, in minutes from 120 s on."""
    if not known(value):
        return MISSING
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def mega(value: Any) -> str:
    """A size given in bytes as a number of megabytes."""
    return number(value / 1e6) if known(value) else MISSING


def megabytes(value: Any) -> str:
    """A size given in bytes, in units of 1e6 bytes (or 1e3 below 0.1 MB, 1e9 from 10 GB on)."""
    if not known(value):
        return MISSING
    if 0 < abs(value) < 1e5:
        return f"{number(value / 1e3)} kB"
    return f"{number(value / 1e9)} GB" if abs(value) >= 1e10 else f"{number(value / 1e6)} MB"


def big(value: Any) -> str:
    """A count with a decimal prefix: 253 M, 1.20 G."""
    if not known(value):
        return MISSING
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{number(value / size)} {unit}"
    return number(value)


def percent(share: Any) -> str:
    """A share (0.123) as a whole percentage, with more digits below 10 %."""
    if not known(share):
        return MISSING
    value = abs(share) * 100
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.1f} %" if value >= 0.1 else "under 0.1 %"


def change(share: Any) -> str:
    """A relative change with its sign: −62 %, +4.1 %, ±0 %."""
    if not known(share):
        return MISSING
    if abs(share) < 0.0005:
        return "±0 %"
    return f"{'+' if share > 0 else MINUS}{percent(share)}"


def moved(value: Any, share: Any, unit: str = "") -> str:
    """An absolute change with the relative one beside it: −12.5 ms (−40 %)."""
    if not known(value):
        return MISSING
    return f"{signed(value)}{unit}{f' ({change(share)})' if known(share) else ''}"


def signed(value: Any) -> str:
    """A number with its sign."""
    if not known(value):
        return MISSING
    return "±0" if value == 0 else f"{'+' if value > 0 else ''}{number(value)}"


def span(value: Interval | None) -> str:
    """``low to high`` of a value with an interval; empty where there is none."""
    return f"{number(value['low'])} to {number(value['high'])}" if value else ""


def capital(text: str) -> str:
    """``text`` with its first letter a capital one."""
    return f"{text[:1].upper()}{text[1:]}"


def join(parts: list[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
