"""The policy of ``workbench gate``: how much worse a release may be. A YAML file; every key has a default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from workbench.errors import InputError
from workbench.recipe.explain import grouped, sentence
from workbench.recipe.yaml_lines import Place, dotted, parse
from workbench.store.files import unreadable
from workbench.strict import Strict

LARGEST = 100_000
"""Bytes of a policy that is read: it is written by hand."""
Share = Annotated[float, Field(ge=0, le=100)]
"""0.05: 5 %."""


class Costs(Strict):
    """How much dearer a release may be, as shares: 0.05 is 5 %. Null: it isn't judged."""

    latency: Share | None = Field(0.05, description="A picture's time, where it is surely longer.")
    memory: Share | None = Field(0.1, description="Peak memory.")
    layers: Share | None = Field(0.1, description="A layer's time, where it is surely longer.")


class Quality(Strict):
    """How much worse a metric may be."""

    worse: Share | None = Field(0.02, description="As a share of the old value, where it is surely worse; null: any.")
    both: bool = Field(False, description="As much better fails, too: what is better than it can be is a mistake.")


class Policy(Costs):
    """What NEW may lose against OLD."""

    version: Literal[1] = Field(1, description="Version of this schema.")
    size: Share | None = Field(0.02, description="Size of the files.")
    targets: dict[str, Costs] = Field(default_factory=dict, description="Others for some targets, such as host.")
    quality: Quality = Field(Quality(), description="Of every metric that isn't named.")
    metrics: dict[str, Quality] = Field(default_factory=dict, description="Others for some metrics, by name.")
    not_comparable: Literal["fail", "allow"] = Field(
        "fail", description="What it means that a figure can't be compared: other machine, prompts, number."
    )

    def costs(self, target: str) -> Costs:
        """Those of a target."""
        return self.targets.get(target, self)

    def of_metric(self, name: str) -> Quality:
        """What a metric may lose."""
        return self.metrics.get(name, self.quality)


def load_policy(path: Path | None) -> Policy:
    """Reads a policy; without one, the defaults.

    Raises:
        InputError: it can't be read, or doesn't follow the schema: with line and key of everything that is wrong.
    """
    if path is None:
        return Policy()
    if problem := unreadable(path, LARGEST):
        raise InputError(f"{path}: {problem.removeprefix('which ')}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: found bytes that aren't UTF-8; needs a policy (YAML)") from None
    lines: dict[Place, int] = {}
    data = parse(text, str(path), lines)
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise InputError(f"{path}:1: needs a mapping, such as latency: 0.05")
    try:
        return Policy.model_validate_json(json.dumps(data))
    except ValidationError as error:
        by_place = grouped(error.errors(), data)
        said = [(_line(lines, p), dotted(p), sentence(p, by_place[p], data, Policy)) for p in by_place]
        raise InputError("\n".join(f"{path}:{line}: {key}: {what}" for line, key, what in sorted(said))) from None


def _line(lines: dict[Place, int], place: Place) -> int:
    return next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
