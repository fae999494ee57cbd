"""What to set instead where a run would take days, or more memory than it may."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from workbench.errors import InputError
from workbench.forecast.words import duration, gigabytes
from workbench.recipe.forecast import Forecast, Row
from workbench.recipe.load import Loaded

LONG_S, AIM_S = 12 * 3600.0, 2 * 3600.0
"""A stage that takes longer is told, with what would bring it down to about the other."""
LEAST, MOST = 3, 4
"""Of anything that is proposed; and proposals, for each of which the whole recipe is forecast anew."""
Again = Callable[[Loaded], Forecast]
"""The forecast of the same recipe with other settings."""
Reload = Callable[[str], Loaded]
"""The recipe with one more ``KEY=VALUE``."""


@dataclass(frozen=True)
class Adviser:
    """Forecasts a recipe with other settings."""

    loaded: Loaded
    forecast: Forecast
    reload: Reload
    again: Again

    def slow(self) -> Iterator[str]:
        """Of what takes long, the first few: how long, why, and what to set instead with what it'd then take."""
        yield from islice(self._slow(), MOST)

    def _slow(self) -> Iterator[str]:
        recipe, rows = self.loaded.recipe, self.forecast.rows
        drawn = [row for row in rows if row.stage == "evaluate" and row.seconds]
        if (seconds := _sum(drawn)) > LONG_S:
            words = f"evaluate: {drawn[0].words}, {len(drawn)} candidates, on this CPU: about {duration(seconds)}"
            keys = {"evaluate.pictures": recipe.evaluate.pictures, "evaluate.steps": recipe.evaluate.steps}
            yield self._instead(words, keys, seconds, "evaluate", "")
        for row in rows:
            if row.stage == "profile" and row.seconds > LONG_S:
                words = f"profile {row.name}: {row.words}, on this CPU: about {duration(row.seconds)}"
                keys = {"profile.iterations": recipe.profile.iterations}
                yield self._instead(words, keys, row.seconds, "profile", "")
        for i, (entry, name) in enumerate(zip(recipe.steps, recipe.candidate_names()[1:], strict=True)):
            row = next(row for row in rows if (row.stage, row.name) == (entry.kind, name))
            if row.seconds > LONG_S:
                words = f"{entry.kind} {name}: {row.words or 'this'}, on this CPU: about {duration(row.seconds)}"
                keys = {f"{self._step(i)}.{key}": value for key, value in entry.config.sizes.items()}
                yield self._instead(words, keys, row.seconds, entry.kind, name)

    def too_large(self, most: int) -> Iterator[str]:
        """Stages that need more than ``most`` bytes of memory, one sentence each."""
        recipe = self.loaded.recipe
        for row in [row for row in self.forecast.rows if row.memory_bytes > most][:MOST]:
            what = f"{row.stage} {row.name} needs about {gigabytes(row.memory_bytes)}"
            helps = [self._with_less(i, row, most) for i, e in enumerate(recipe.steps) if self._made_by(i, row, e.kind)]
            yield f"{what}; {next((text for text in helps if text), 'set it higher, or start from a smaller model')}"

    def _made_by(self, i: int, row: Row, kind: str) -> bool:
        return (row.stage, row.name) == (kind, self.loaded.recipe.candidate_names()[i + 1])

    def _with_less(self, i: int, row: Row, most: int) -> str:
        """The largest batch with which a step fits, or part of it where that is enough."""
        config = self.loaded.recipe.steps[i].config
        batch, key = (
            getattr(config, "batch", None),
            f"{self._step(i)}.{'at_once' if hasattr(config, 'at_once') else 'batch'}",
        )
        while isinstance(batch, int) and batch > 1:
            batch //= 2
            then = self._with(f"{key}={batch}", row.stage, row.name)
            if then and then[0].memory_bytes <= most:
                return f"with {key}={batch} about {gigabytes(then[0].memory_bytes)}"
        return ""

    def _instead(self, words: str, keys: dict[str, int], seconds: float, stage: str, name: str) -> str:
        """The first key that brings the time down, and what it'd then be."""
        for key, value in keys.items():
            less = max(LEAST, int(value * AIM_S / seconds))
            then = _sum(self._with(f"{key}={less}", stage, name)) if less < value else 0
            if 0 < then < seconds:
                return f"{words}; with {key}={less} about {duration(then)}"
        return words

    def _with(self, override: str, stage: str, name: str = "") -> list[Row]:
        """The rows of a stage with another setting; none where that can't be set."""
        try:
            other = self.again(self.reload(override))
        except InputError:
            return []
        return [row for row in other.rows if row.stage == stage and name in ("", row.name)]

    def _step(self, i: int) -> str:
        kinds = [entry.kind for entry in self.loaded.recipe.steps]
        return kinds[i] if kinds.count(kinds[i]) == 1 else f"steps.{i}.{kinds[i]}"


def _sum(rows: Sequence[Row]) -> float:
    return sum(row.seconds for row in rows)
