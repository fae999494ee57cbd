"""All that was measured of one candidate: what a release says of itself, and what two releases are compared by.

From a finished run or from a shipped folder's manifest: the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from typing_extensions import TypedDict

from workbench.errors import InputError, unknown
from workbench.metrics.base import Metric
from workbench.metrics.scores import MetricValue
from workbench.profile.summary import Component, Summary
from workbench.report.data import RunData

SCHEMA = 1
"""Version of ``Figures`` and of the manifest around them; raised when a key changes its name or meaning."""
MANIFEST = "manifest.json"
_TOO_LONG = ("events",)
"""What a component's profile holds besides figures: a time line of kernels."""


class Quality(TypedDict):
    """A metric's value with its interval, and what the metric is; ``better``: high, low or one."""

    label: str
    unit: str
    better: str
    value: MetricValue


class Drawn(TypedDict):
    """What quality was judged by: ``n`` pictures of these prompts (the hash of their JSON), steps, guidance, seed."""

    n: int
    prompts_sha256: str
    steps: int
    guidance_scale: float
    seed: int


class Figures(TypedDict):
    """``targets``: the profile's summary on each, with latency samples of components and layers, size, memory, machine,
    ``simulated`` and ``emulated``; without the kernels' time line. ``drawn``: None where no pictures were."""

    schema: int
    run: str
    candidate: str
    scheme: str
    lineage: Sequence[str]
    targets: dict[str, Summary]
    quality: dict[str, Quality]
    drawn: Drawn | None


def figures_of(run: RunData, candidate: str) -> Figures:
    """Those of a candidate of a finished run.

    Raises:
        InputError: the run has no such candidate.
    """
    names = [one.name for one in run.candidates]
    if candidate not in names:
        raise unknown(f"{run.recipe.name}: has no candidate {candidate!r}", candidate, names, "it has")
    found, scores = run.candidates[names.index(candidate)], run.scores.get(candidate)
    metrics, values = run.recipe.metrics, scores["metrics"] if scores else {}
    return {
        "schema": SCHEMA,
        "run": run.recipe.name,
        "candidate": candidate,
        "scheme": found.scheme,
        "lineage": list(found.lineage),
        "targets": {t: _without_events(summary) for (t, name), summary in run.profiles.items() if name == candidate},
        "quality": {name: _quality(metrics[name], value) for name, value in values.items()},
        "drawn": None
        if scores is None
        else {
            "n": scores["n"],
            "prompts_sha256": hashlib.sha256(json.dumps(scores["prompts"]).encode()).hexdigest(),
            "steps": scores["steps"],
            "guidance_scale": scores["guidance_scale"],
            "seed": scores["seed"],
        },
    }


def figures_in(folder: Path) -> Figures:
    """Those of a shipped folder, from its manifest.

    Raises:
        InputError: it isn't a shipped folder, its manifest was damaged, or is of another version.
    """
    return cast(Figures, read_manifest(folder)["figures"])


def read_manifest(folder: Path) -> dict[str, object]:
    """A shipped folder's manifest.

    Raises:
        InputError: as ``figures_in``.
    """
    file = folder / MANIFEST
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}; needs a shipped folder")
    if not file.is_file():
        raise InputError(f"{folder}: isn't a shipped folder: it has no {MANIFEST}", hint="workbench ship makes one")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        schema = manifest["schema"]
        sound = schema != SCHEMA or all(isinstance(manifest[key], dict) for key in ("figures", "pictures", "files"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"{file}: isn't the manifest of a shipped folder, or was damaged", hint="ship it again")
    if schema != SCHEMA:
        raise InputError(f"{file}: found schema {schema!r}; this workbench reads {SCHEMA}", hint="ship it again")
    return dict(manifest)


def _without_events(summary: Summary) -> Summary:
    components = summary.get("components") or {}
    kept = {
        name: cast(Component, {key: value for key, value in one.items() if key not in _TOO_LONG})
        for name, one in components.items()
    }
    return {**summary, "components": kept}


def _quality(metric: Metric, value: MetricValue) -> Quality:
    return {"label": metric.label, "unit": metric.unit, "better": metric.better, "value": value}
