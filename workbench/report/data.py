"""What a report is made of: everything that a run found out, gathered in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.store.tables import read_csv

if TYPE_CHECKING:
    import pandas as pd

    from workbench.metrics.scores import Scores
    from workbench.profile.summary import Component, Summary
    from workbench.recipe.schema import Recipe

FULL_PRECISION = "fp32"


@dataclass(frozen=True)
class CandidateData:
    """A candidate as the report shows it; ``report`` is what the step that made it said (JSON)."""

    name: str
    scheme: str = "fp32"
    lineage: tuple[str, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    parent: str | None = None
    """Name of the candidate that it was made from; None for the untouched model."""
    steps: int | None = None
    """Denoising steps of its pictures where they aren't the recipe's ``evaluate.steps``."""


@dataclass(frozen=True)
class RunData:
    """One run of a recipe. ``candidates`` are in the order of the chain, the untouched model first.

    ``profiles`` and ``layers`` are keyed by (target, candidate); the first target met in ``profiles`` decides the
    choice. ``layers`` holds a table or the path of its CSV. ``timings`` are seconds per step of the run.
    """

    recipe: Recipe
    recipe_text: str
    candidates: Sequence[CandidateData]
    scores: Mapping[str, Scores]
    pictures: Mapping[str, Path]
    profiles: Mapping[tuple[str, str], Summary]
    layers: Mapping[tuple[str, str], pd.DataFrame | Path]
    warnings: Sequence[str] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    recipe_hash: str = ""
    data_sets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Manifests of the recipe's data sets that something was made with, by name in the recipe's order."""
    stages: Sequence[Mapping[str, Any]] = ()
    """What each stage was expected to take and took: seconds, bytes, and the ratio of the times."""

    @property
    def first(self) -> str:
        """Name of the untouched model."""
        return self.candidates[0].name

    @property
    def targets(self) -> list[str]:
        """Targets in the order in which they were profiled."""
        return list(dict.fromkeys(target for target, _ in self.profiles))

    def layer_table(self, target: str, candidate: str) -> pd.DataFrame | None:
        """The layers of one profile, or None where it has none."""
        table = self.layers.get((target, candidate))
        return read_csv(table) if isinstance(table, Path) else table


def compared_with(candidates: Sequence[CandidateData], name: str) -> str | None:
    """What a candidate is held against: what it was made from; a quantized one, its nearest ancestor in float."""
    by_name = {c.name: c for c in candidates}
    parent = by_name[name].parent
    while by_name[name].scheme != FULL_PRECISION and parent in by_name and by_name[parent].scheme != FULL_PRECISION:
        parent = by_name[parent].parent
    return parent if parent in by_name else None


def kind_of(profile: Summary, component: Component | None = None) -> str:
    """How the times of a profile, or of one component, came about: simulated, emulated, both, or measured."""
    flags = {"simulated": (component or profile).get("simulated"), "emulated": profile.get("emulated")}
    return ", ".join(kind for kind, flagged in flags.items() if flagged) or "measured"
