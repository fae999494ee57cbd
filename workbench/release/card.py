"""``MODEL_CARD.md``: the manifest for readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from workbench.profile.summary import Summary
from workbench.release.agreement import Agreement
from workbench.release.layouts.base import Layout
from workbench.release.manifest import MANIFEST, SUMS, Manifest
from workbench.report.data import kind_of
from workbench.report.format import MISSING, known, megabytes, milliseconds, number

COLUMNS = 4
"""Pictures in a row."""


def card(manifest: Manifest, layout: Layout) -> str:
    """The card's text."""
    licence = manifest["weights"]["licence"]
    head = [*([f"license: {licence.lower()}"] if licence else []), "pipeline_tag: text-to-image", "inference: false"]
    parts = [
        "\n".join(["---", *head, "---"]),
        f"# {_plain(manifest['name'])}",
        _summary(manifest, layout),
        f"## Draw\n```sh\n{layout.install}\n```\n```python\n{manifest['example']}\n```",
        *(_plain(note) for note in manifest["notes"]),
        _measured(manifest["figures"]["targets"]),
        _quality(manifest),
        _limits(manifest),
        _pictures(manifest),
        _weights(manifest),
        "## Check\n`workbench ship --verify FOLDER` checks every hash and draws the pictures anew; "
        f"`sha256sum --check {SUMS}` checks the files. "
        f"All figures, latency samples and layers among them, are in `{MANIFEST}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def agreed(agreement: Agreement) -> str:
    """How the client's pictures stand to the run's own, in words."""
    apart = [value for value in agreement["apart_db"] if value is not None]
    client = ", ".join(f"{name} {version}" for name, version in agreement["client"].items())
    least = f"; the others have {number(min(apart))} dB or more against it" if apart else ""
    return f"{agreement['equal']} of {agreement['n']} pictures equal the run's own to the bit{least} ({client})"


def _summary(manifest: Manifest, layout: Layout) -> str:
    made = [f"{one['candidate']} ({one['step']})" if one["step"] else one["candidate"] for one in manifest["lineage"]]
    lines = [
        f"A text-to-image model for {layout.title}, a `{manifest['pipeline']}`. "
        f"Made by workbench {manifest['workbench']} from the recipe {_plain(str(manifest['recipe']['name']))}, "
        f"seed {manifest['seed']}: {_plain(' → '.join(made))}.",
        _plain(manifest["reason"][:1].upper() + manifest["reason"][1:] + "." if manifest["reason"] else ""),
    ]
    return "\n".join(line for line in lines if line)


def _measured(targets: dict[str, Summary]) -> str:
    if not targets:
        return "## Measured\nIt was profiled on no target."
    rows = [
        (
            target,
            milliseconds((latency := (summary.get("pipeline") or {}).get("latency_ms") or {}).get("median")),
            milliseconds(latency.get("iqr")),
            str(latency.get("n", MISSING)),
            megabytes(summary.get("size_bytes")),
            megabytes(summary.get("peak_rss_bytes")),
            kind_of(summary),
            str((summary.get("environment") or {}).get("cpu") or MISSING),
        )
        for target, summary in targets.items()
    ]
    names = ("target", "a picture, median", "IQR", "n", "size", "peak memory", "times are", "machine")
    return f"## Measured\n{_table(names, rows)}"


def _quality(manifest: Manifest) -> str:
    figures = manifest["figures"]
    rows = [
        (
            one["label"],
            f"{number(value['value'])} {one['unit']}".strip(),
            _interval(value),
            str(value["n"]),
            one["better"],
        )
        for one in figures["quality"].values()
        for value in (one["value"],)
    ]
    drawn = figures["drawn"]
    if not rows or drawn is None:
        return ""
    how = f"{drawn['n']} pictures, {drawn['steps']} steps, guidance {drawn['guidance_scale']:g}, seed {drawn['seed']}"
    return f"## Quality\n{how}.\n\n{_table(('metric', 'value', '95 % interval', 'n', 'better'), rows)}"


def _interval(value: object) -> str:
    low, high = (value.get(end) if isinstance(value, dict) else None for end in ("low", "high"))
    return f"{number(low)} to {number(high)}" if known(low) and known(high) else MISSING


def _limits(manifest: Manifest) -> str:
    rows = [
        (one["key"], f"{one['limit']:g}", "met" if one["met"] else f"missed: {one['words']}")
        for one in manifest["constraints"]
    ]
    return f"## Constraints\n{_table(('constraint', 'limit', 'outcome'), rows)}" if rows else ""


def _pictures(manifest: Manifest) -> str:
    drawn, agreement = manifest["pictures"]["drawn"], manifest["agreement"]
    said = agreed(agreement) if agreement else f"not drawn by the client when it was shipped: {manifest['not_drawn']}"
    rows = []
    for row in (drawn[i : i + COLUMNS] for i in range(0, len(drawn), COLUMNS)):
        rows.append([f"![]({one['file']})<br>{_plain(one['prompt'])}" for one in row])
    rows = [[*row, *[""] * (min(COLUMNS, len(drawn)) - len(row))] for row in rows]
    grid = ["|" + " |" * len(rows[0]), "|" + "---|" * len(rows[0]), *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(["## Pictures", f"The run's own. Of the client: {_plain(said)}.", "", *grid])


def _weights(manifest: Manifest) -> str:
    weights = manifest["weights"]
    licence = weights["licence"] or "the model's folder states none"
    texts = f" ({', '.join(weights['files'])})" if weights["files"] else ""
    return f"## Weights\nFrom {_plain(weights['origin'])}. Licence: {_plain(licence)}{texts}."


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Iterator[str] | Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return "\n".join([line(names), line(["---"] * len(names)), *(line(map(_plain, row)) for row in rows)])


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]#!|<>~])", r"\\\1", " ".join(text.split()))
