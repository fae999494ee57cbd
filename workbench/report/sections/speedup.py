"""The section "Faster, smaller, or only simulated": each candidate on each target against what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.comparing.ratio import Ratio
from workbench.report.data import RunData
from workbench.report.format import MISSING, known, number, percent, whole
from workbench.report.ranking.speedup import speed
from workbench.report.ranking.verdict import (
    ACCELERATED,
    FASTER,
    FEWER,
    SIMULATED,
    WORDS,
    Verdict,
    asks_integers,
    judge,
)
from workbench.report.sections.why import parent_of

TONES = {ACCELERATED: "good", FASTER: "good", FEWER: "good", SIMULATED: "loud"}
"""CSS class of the tag that a verdict stands in; the others have none."""
Verdicts = Mapping[tuple[str, str], Verdict]
"""By target and candidate; the untouched model, and what was not profiled, have none."""


def verdicts(run: RunData) -> dict[tuple[str, str], Verdict]:
    """The verdict on every candidate that was profiled together with what it was made from."""
    found = {}
    for target in run.targets:
        for candidate in run.candidates:
            after = run.profiles.get((target, candidate.name))
            before = run.profiles.get((target, parent_of(run, candidate.name) or ""))
            if before is not None and after is not None:
                found[target, candidate.name] = judge(before, after)
    return found


def gather(run: RunData, judged: Verdicts) -> list[dict[str, Any]]:
    """One entry per target, rows in the order of the chain: ``{target, rows, words}``.

    ``words``: the verdicts that occur there, each with what it means.
    """
    found = []
    for target in run.targets:
        names = [c.name for c in run.candidates if (target, c.name) in run.profiles]
        first = run.profiles.get((target, run.candidates[0].name))
        own = {name: judged.get((target, name)) for name in names}
        words = {v.word for v in own.values() if v}
        rows = [_row(name, run.profiles[target, name], own[name], run, target, first) for name in names]
        if words:
            meanings = [(word, TONES.get(word, ""), text) for word, text in WORDS.items() if word in words]
            found.append({"target": target, "rows": rows, "words": meanings})
    return found


def _row(
    name: str,
    profile: Mapping[str, Any],
    verdict: Verdict | None,
    run: RunData,
    target: str,
    first: Mapping[str, Any] | None,
) -> dict[str, Any]:
    before = run.profiles.get((target, verdict.parent), {}) if verdict else {}
    components = profile.get("components") or {}
    unet, other = (p.get("components", {}).get("unet") or {} for p in (profile, before))
    loads = [_sum(components, f"load_{how}_ms") for how in ("cold", "warm")]
    own, running = profile.get("runtime_rss_bytes"), profile.get("running_rss_bytes")
    overall = speed(first, profile) if first and verdict and not profile.get("emulated") else None
    return {
        "candidate": name,
        "word": verdict.word if verdict else "",
        "tone": TONES.get(verdict.word, "") if verdict else "",
        "parent": verdict.parent if verdict else "",
        "sentence": verdict.sentence if verdict else "Untouched: what the others are held against.",
        "unet": _size(unet.get("size_bytes"), other.get("size_bytes")),
        "files": _size(profile.get("size_bytes"), before.get("size_bytes")),
        "load": (number(loads[0]), number(loads[1])),
        "memory": (
            number((running - own) / 1e6) if known(running) and known(own) else MISSING,
            number(profile["peak_rss_bytes"] / 1e6) if known(profile.get("peak_rss_bytes")) else MISSING,
        ),
        "speed": _times(verdict.speed) if verdict else (MISSING, ""),
        "overall": _times(overall)[0],
        "integers": _integers(components),
        "simulated": "simulated" if profile.get("simulated") else "",
    }


def _sum(components: Mapping[str, Any], key: str) -> float | None:
    values = [c.get(key) for c in components.values()]
    return sum(values) if values and all(known(v) for v in values) else None


def _size(after: Any, before: Any) -> tuple[str, str]:
    """MB, and how much of the parent's that is."""
    if not known(after):
        return MISSING, ""
    return number(after / 1e6), f"{number(after / before, 2)}×" if known(before) and before else ""


def _times(ratio: Ratio | None) -> tuple[str, str]:
    """How many times as fast, and the interval with n."""
    if ratio is None:
        return MISSING, ""
    low, high = (number(1 / end, 3) if end else MISSING for end in (ratio.high, ratio.low))
    return f"{number(1 / ratio.value, 3)}×", f"{low} to {high} · {whole(ratio.n)}"


def _integers(components: Mapping[str, Any]) -> list[str]:
    """Share of MACs in integers of each component that asks for them, or has some."""
    names = {"text_encoder": "text", "unet": "U-Net", "vae_decoder": "decoder"}
    return [
        f"{names.get(name, name)} {percent(c.get('quantized_macs_share') or 0.0)}"
        for name, c in components.items()
        if c.get("quantized_macs_share") or asks_integers(str(c.get("scheme", "")))
    ]
