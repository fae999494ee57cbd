"""Times and sizes for readers of a terminal."""

from __future__ import annotations

_UNITS = ((86_400, "days"), (3600, "h"), (60, "min"))


def duration(seconds: float) -> str:
    """``2.9 days``, ``3.1 h``, ``12 min``, ``41 s``; below a second ``< 1 s``."""
    for size, unit in _UNITS:
        if seconds >= 1.5 * size:
            count = seconds / size
            return f"{count:.1f} {unit}" if count < 10 and unit != "min" else f"{count:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 else "< 1 s"


def gigabytes(count: float) -> str:
    """In units of 1e9 bytes."""
    return f"{count / 1e9:.1f} GB"
