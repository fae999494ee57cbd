"""The page of ``workbench runs compare``: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workbench.comparing.comparable import pictures_differ
from workbench.comparing.comparison import signed, signed_ms
from workbench.comparing.ratio import FASTER, SAME, SLOWER
from workbench.report.format import change, number, percent
from workbench.report.page import fill
from workbench.report.runs.fronts import fronts
from workbench.report.runs.joined import Pair, Scored, Side, Timed, join, moved, scored, timed
from workbench.report.sections.candidates.pareto import NARROW
from workbench.report.sections.pictures import encode

SHOWN = 4
"""Prompts whose pictures stand side by side."""
MOST_LAYERS = 12
"""Layers of a component that are listed; the largest differences come first."""
TONE = {SLOWER: "worse", FASTER: "better"}


def render(a: Side, b: Side) -> str:
    """The page as a string. The same runs give the same bytes."""
    pairs = join(a.run.candidates, b.run.candidates)
    times, scores = timed(a, b, pairs), list(scored(a, b, pairs))
    return fill(
        "runs.html",
        a=a,
        b=b,
        pairs=pairs,
        times=times,
        scores=scores,
        sentences=list(_sentences(a, b, pairs, times, scores)),
        settings=list(_settings(a, b)),
        figures=list(_figures(a, b, pairs, times, scores)),
        pictures=_pictures(a, b, pairs),
        layers=[(each, name, changes[:MOST_LAYERS], len(changes)) for each, name, changes in moved(times) if changes],
        tone=TONE,
        signed=signed,
        signed_ms=signed_ms,
    )


def _sentences(
    a: Side, b: Side, pairs: Sequence[Pair], times: Sequence[Timed], scores: Sequence[Scored]
) -> Iterator[str]:
    """What the two choices are, and how B's stands against A's."""
    chosen = a.ranking.chosen, b.ranking.chosen
    yield f"A ships {chosen[0] or 'nothing: no candidate fits'}; B ships {chosen[1] or 'nothing: no candidate fits'}."
    pair = next((pair for pair in pairs if pair.b == chosen[1] and pair.b), None)
    if pair is None or pair.a is None:
        return
    if pair.a != chosen[0]:
        yield f"What follows compares B's {pair.b} with A's {pair.a}, which was made by the same steps."
    for each in times:
        if each.pair == pair:
            yield f"{each.target}: {_speed(each)}."
    sizes = [side.run.profiles.get((side.ranking.target, name or "")) for side, name in ((a, pair.a), (b, pair.b))]
    if all(sizes):
        before, after = (float((size or {}).get("size_bytes") or 0) for size in sizes)
        if before and after:
            yield f"Size: {number(before / 1e6)} → {number(after / 1e6)} MB ({change(after / before - 1)})."
    for score in scores:
        told = score.tone or score.why or score.metric.name == b.ranking.quality
        if score.pair == pair and told and score.a and score.b:
            values = f"{number(score.a['value'])} → {score.metric.with_unit(number(score.b['value']))}"
            yield f"{score.metric.label}: {values}{f', {score.tone}' if score.tone else ''}{_why(score.why)}."


def _speed(each: Timed) -> str:
    if each.ratio is None:
        return f"not comparable ({each.why})" if each.why != "the same measurement" else each.why
    if each.ratio.outcome() == SAME:
        return "no difference to be seen in latency"
    interval = f"{signed(each.ratio.low - 1)} to {signed(each.ratio.high - 1)}"
    return f"B is {percent(each.ratio.value - 1)} {each.ratio.outcome()} ({interval})"


def _why(why: str) -> str:
    return f" (not comparable: {why})" if why else ""


def _settings(a: Side, b: Side) -> Iterator[tuple[str, Any, Any]]:
    """Settings of the recipes that differ, by dotted key."""
    own, others = (dict(_flat(side.run.recipe.settings())) for side in (a, b))
    for key in {**own, **others}:
        if own.get(key) != others.get(key):
            yield key, own.get(key, "–"), others.get(key, "–")


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from _flat(each, f"{key}.{name}" if key else str(name))
    if not isinstance(value, dict | list) and value is not None:
        yield key, value


def _figures(
    a: Side, b: Side, pairs: Sequence[Pair], times: Sequence[Timed], scores: Sequence[Scored]
) -> Iterator[tuple[str, str, str, str]]:
    """Target, figure, the same for a phone, and why its axes don't compare; of targets that both runs have."""
    metrics = {score.metric.name: score.metric for score in scores}
    metric = next((metrics[q] for side in (b, a) if (q := side.ranking.quality) in metrics), None)
    if metric is None:
        return
    for target in [target for target in b.run.targets if target in a.run.targets]:
        wide, narrow = (fronts(a, b, pairs, target, metric, **how) for how in ({}, {"width": NARROW}))
        apart = [each.why for each in times if each.target == target and each.why not in ("", "the same measurement")]
        apart += [score.why for score in scores if score.metric == metric and score.why]
        if wide and narrow:
            yield target, wide, narrow, "; ".join(dict.fromkeys(apart))


def _pictures(a: Side, b: Side, pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """Pictures that both sides of a pair drew for the same prompts from the same noise."""
    who, columns, shrunk = [], dict[str, list[str | None]](), False
    for pair in pairs:
        found = [(side, name, side.run.scores.get(name or "")) for side, name in ((a, pair.a), (b, pair.b))]
        drawn = [scores for _, _, scores in found if scores]
        if len(drawn) < 2 or drawn[0]["prompts"] != drawn[1]["prompts"] or drawn[0]["seed"] != drawn[1]["seed"]:
            continue
        differ = pictures_differ(*drawn)
        prompts = drawn[0]["prompts"]
        picked = sorted({prompt: i for i, prompt in reversed(list(enumerate(prompts)))}.values())[:SHOWN]
        for letter, (side, name, scores) in zip("AB", found, strict=True):
            who.append(f"{name} {letter}{f' ({differ})' if differ else ''}")
            for i in picked:
                file = Path(side.run.pictures[str(name)]) / Path(scores["pictures"][i]).name if scores else Path()
                uri, smaller = encode(file) if file.is_file() else (None, False)
                columns.setdefault(prompts[i], []).append(uri)
                shrunk |= smaller
    rows = {prompt: uris for prompt, uris in columns.items() if len(uris) == len(who)}
    return {"who": who, "rows": rows, "shrunk": shrunk} if rows else None
