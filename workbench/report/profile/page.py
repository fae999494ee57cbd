"""The page of ``workbench profile``: one HTML file that needs nothing else, for one profile or several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.profile.read import ReadProfile
from workbench.report.page import fill
from workbench.report.profile import headline, layers, operators
from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd

MACHINE = ("threads", "seed", "noise", "environment")
"""Keys of a summary that say where and how its numbers were taken."""


def write_profile_page(
    profiles: Sequence[ReadProfile], path: Path, roofline: Mapping[str, pd.DataFrame] | None = None
) -> Path:
    """Writes the page of ``profiles`` to ``path``; the same profiles give the same bytes.

    Args:
        profiles: one, or several to be joined layer by layer: candidates, runtimes, targets.
        path: the file, ``….html``.
        roofline: per ``ReadProfile.label`` the table of ``workbench.profile.roofline``, whose bounds the layers get.

    Raises:
        ValueError: there is no profile.
    """
    write_atomic(path, render(profiles, roofline))
    return path


def render(profiles: Sequence[ReadProfile], roofline: Mapping[str, pd.DataFrame] | None = None) -> str:
    """The page as a string."""
    if not profiles:
        raise ValueError("a page needs at least one profile")
    return fill("profile.html", **_values(profiles, roofline))


def _values(profiles: Sequence[ReadProfile], roofline: Mapping[str, pd.DataFrame] | None) -> dict[str, Any]:
    labels = headline.labels(profiles)
    main = headline.main_component(profiles)
    names = list(dict.fromkeys(name for p in profiles for name in p.summary["components"]))
    names.sort(key=lambda name: name != main)
    components = [
        (label, name, c)
        for label, p in zip(labels, profiles, strict=True)
        for name, c in p.summary["components"].items()
    ]
    return {
        "title": " · ".join(dict.fromkeys(p.label for p in profiles)),
        "labels": labels,
        "main": main,
        "lead": headline.lead(profiles, labels, main),
        "tiles": [headline.tiles(p, main) for p in profiles],
        "warnings": _warnings(profiles, labels),
        "components": components,
        "shown": {"strip": layers.strip, "doubts": headline.doubts, "uncounted": headline.uncounted},
        "operators": [table for name in names if (table := operators.operators(profiles, name))],
        "transitions": [(label, name, t) for label, name, c in components for t in c.get("transitions") or ()],
        "memory": [
            (name, figure) for name in names if (figure := layers.memory_figure(profiles, labels, name)) is not None
        ],
        "machines": [(label, _machine(p)) for label, p in zip(labels, profiles, strict=True)],
        "layers": layers.payload(profiles, labels, main, roofline),
    }


def _warnings(profiles: Sequence[ReadProfile], labels: Sequence[str]) -> list[str]:
    """Every warning and note once, with the profile's name in front where not all have it and it doesn't say whose."""
    by_profile = [[*p.summary.get("warnings", ()), *p.notes] for p in profiles]
    warnings = []
    for text in dict.fromkeys(text for own in by_profile for text in own):
        whose = [label for label, own in zip(labels, by_profile, strict=True) if text in own]
        told = len(whose) == len(profiles) or any(label in text for label in whose)
        warnings.append(text if told else f"{', '.join(whose)}: {text}")
    return warnings


def _machine(profile: ReadProfile) -> list[tuple[str, Any]]:
    """Facts of the machine and the run; nested mappings are spread out, what is unknown keeps its reason."""
    s = profile.summary
    facts: list[tuple[str, Any]] = [
        ("candidate", s["candidate"]),
        ("target", s["target"]),
        ("runtime", s.get("runtime")),
        ("scheme", s.get("scheme")),
        ("made by", " → ".join(s.get("lineage") or ()) or "untouched"),
    ]
    for key in MACHINE:
        value = s.get(key)
        facts += list(value.items()) if isinstance(value, Mapping) else [(key, value)]
    return [(key, value) for key, value in facts if value not in (None, {}, [], "")]
