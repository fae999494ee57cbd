"""Candidates picture by picture: on the same prompts and seeds, with the interval of their difference."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.report.data import RunData

LABELS = {"alignment": "alignment", "psnr_db": "PSNR to reference"}
DIGITS = {"alignment": 4, "psnr_db": 2}


@dataclass(frozen=True)
class Row:
    """One comparison as words; ``settled``: what the interval says of the difference."""

    candidate: str
    against: str
    why: str
    metric: str
    difference: str
    interval: str
    ratio: str
    n: int
    settled: str


def rows(run: RunData) -> list[Row]:
    """A row for every comparison that the scores hold, in the order of the candidates."""
    found = []
    for candidate in run.candidates:
        for each in run.scores.get(candidate.name, {}).get("paired", ()):
            digits, unit = DIGITS[each["metric"]], each["unit"] if each["unit"] == "dB" else ""
            low, high = each["low"], each["high"]
            ratio = ""
            if "ratio" in each:
                ratio = f"{100 * each['ratio']:.1f} % ({100 * each['ratio_low']:.1f} to {100 * each['ratio_high']:.1f})"
            found.append(
                Row(
                    candidate.name,
                    each["against"],
                    each["why"],
                    LABELS[each["metric"]],
                    f"{each['difference']:+.{digits}f} {unit}".strip(),
                    f"{low:+.{digits}f} to {high:+.{digits}f}",
                    ratio,
                    each["n"],
                    _settled(low, high, float(f"{each['difference']:.{digits}f}")),
                )
            )
    return found


def _settled(low: float, high: float, shown: float) -> str:
    """What the interval says; a difference too small for the digits shown is none to choose by."""
    if low <= 0 <= high:
        return "no difference seen"
    return "the same to these digits" if shown == 0 else "better" if low > 0 else "worse"
