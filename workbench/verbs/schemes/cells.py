"""Cells of a table of schemes: what is said of a scheme, made by a backend, on a runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.profile.doubts import doubts
from workbench.profile.summary import Summary
from workbench.profile.write import summarize
from workbench.report.ranking.gain import SMALLER, gain_of
from workbench.verbs.schemes.measure import Taken

Cell = dict[str, Any]
NOT_POSSIBLE, FAILED, STORAGE_ONLY = "not possible", "failed", "storage only"
_WORDS = {SMALLER: STORAGE_ONLY}
"""Of the words of a report, those that have another name here."""


def cell_of(taken: Taken) -> Cell:
    """What is said of what was measured, or of why nothing was."""
    if taken.record is None or taken.plain is None:
        return failed(taken.reason) if taken.failed else impossible(taken.reason)
    before, after = (summarize(record, None, doubts(record)) for record in (taken.plain, taken.record))
    return _measured(before, after) | {"sqnr_db": dict(taken.sqnr_db)}


def failed(reason: str) -> Cell:
    """A cell of which nothing is known, since the work failed; ``reason`` may go on in lines that aren't kept."""
    return {"outcome": FAILED, "note": reason.strip().split("\n")[0]}


def impossible(reason: str) -> Cell:
    """A cell of what can't be."""
    return {"outcome": NOT_POSSIBLE, "note": reason}


def _measured(before: Summary, after: Summary) -> Cell:
    gain = gain_of(before, after)
    (part,) = after["components"].values()
    return {
        "outcome": _WORDS.get(gain.word, gain.word),
        "note": "",
        "sentence": gain.sentence,
        "times_faster": gain.times,
        "time_ratio": gain.speed.as_json() if gain.speed else None,
        "simulated": after["simulated"],
        "integer_macs_share": part["quantized_macs_share"],
        "stored_integer_macs_share": part["stored_quantized_macs_share"],
        "size_ratio": gain.size,
        **_figures(after),
        "float": _figures(before),
        "noise": after["noise"],
        "warnings": after["warnings"],
    }


def _figures(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Time, load, memory and size of one U-Net; memory is what stays resident once it is loaded and has run."""
    (part,) = profile["components"].values()
    running, runtime_alone = profile["running_rss_bytes"], profile["runtime_rss_bytes"]
    return {
        "latency_ms": {key: value for key, value in part["latency_ms"].items() if key != "samples"},
        "load_cold_ms": part["load_cold_ms"],
        "load_warm_ms": part["load_warm_ms"],
        "memory_bytes": running - runtime_alone if running and runtime_alone else None,
        "size_bytes": profile["size_bytes"],
    }
