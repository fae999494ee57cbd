"""Which schemes and backends a table of schemes asks for, and the step of a recipe that makes each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from workbench.compress.quantize.backends import backends
from workbench.errors import InputError, unknown
from workbench.models.schemes import SchemeName

if TYPE_CHECKING:
    from workbench.compress.quantize.calibration.samples import Calibration
    from workbench.recipe.schema import Recipe

NAMES: tuple[str, ...] = get_args(SchemeName)
CALIBRATION: Mapping[str, Any] = {"prompts": 2, "steps": 4}
"""Small: it costs dB, but what runs and how fast doesn't hang on it."""


@dataclass(frozen=True)
class Pair:
    """A scheme made by a backend; ``settings`` are those of the step that aren't its defaults."""

    scheme: str
    backend: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The candidate's name, such as ``w8a8-onnxruntime``."""
        return "-".join((self.scheme, self.backend, *(f"{key}.{value}" for key, value in self.settings.items())))


@dataclass(frozen=True)
class Subject:
    """A model, the file of prompts that calibrate where it isn't to be the model's own captions, and the seed."""

    model: str
    prompts: Path | None
    seed: int

    def calibration(self) -> Calibration:
        """Of every scheme."""
        from workbench.compress.quantize.calibration.samples import Calibration

        return Calibration.model_validate(self._calibration())

    def recipe(self, pairs: Sequence[Pair]) -> Recipe:
        """A recipe with one step per pair, each from the float model."""
        from workbench.recipe.schema import Recipe

        steps = [
            {
                "quantize": {
                    "scheme": pair.scheme,
                    "backend": pair.backend,
                    **pair.settings,
                    "from": "base",
                    "candidate": pair.name,
                    "calibration": self._calibration(),
                }
            }
            for pair in pairs
        ]
        content = {"version": 1, "name": "schemes", "model": self.model, "seed": self.seed, "steps": steps}
        return Recipe.model_validate(content)

    def _calibration(self) -> dict[str, Any]:
        return {**CALIBRATION, **({"prompts_from": str(self.prompts)} if self.prompts else {})}


def parse_schemes(only: str | None) -> tuple[str, ...]:
    """``w8a8,w4a16`` as names of schemes; None: all.

    Raises:
        InputError: one of them isn't a scheme.
    """
    if only is None:
        return NAMES
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in NAMES:
            raise unknown(f"--only: found {name!r}, no such scheme", name, NAMES)
    if not names:
        raise InputError(f"--only: found {only!r}; needs schemes, such as w8a8,w4a16")
    return tuple(name for name in NAMES if name in names)


def pairs(only: Sequence[str]) -> list[Pair]:
    """Every scheme with every backend, whether possible or not, and with each setting that changes what is gained."""
    return [
        Pair(scheme, name, more)
        for scheme in only
        for name, backend in backends().items()
        for more in ({}, *backend.gains.get(scheme, ()))
    ]
