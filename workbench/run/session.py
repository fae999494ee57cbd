"""What all the work of a run is given."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.progress import Progress, quiet
from workbench.recipe.schema import Recipe
from workbench.run.ledger import Ledger
from workbench.store.store import Store


@dataclass(frozen=True)
class Session:
    """A recipe at work: where its results are kept, and what reports its progress."""

    recipe: Recipe
    store: Store
    progress: Progress = quiet
    ledger: Ledger | None = None
    """What its stages were expected to take; None: nobody asked."""
