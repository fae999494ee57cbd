"""What a recipe may say. Every level refuses unknown keys; ``workbench schema`` prints it as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from workbench.compress.registry import StepConfig, steps
from workbench.data.sets import DATA, DataSet
from workbench.devices.providers import Name as ProviderName
from workbench.evaluate.config import Evaluate
from workbench.metrics.base import Bound, Limit, Metric
from workbench.metrics.registry import limits, metrics, qualities
from workbench.models.intake.model import FORMS, Source
from workbench.runtimes.base import RUNTIMES, all_described
from workbench.strict import Name, OneKey, RecipePath, Strict, one_of

MOST = 100
"""Steps, data sets, published tables: more are no recipe's, and would take ``workbench check`` minutes."""


class _StepEntry(OneKey):
    """One step: a mapping with the step's name as its only key."""

    _what: ClassVar[str] = "a step"

    @property
    def config(self) -> StepConfig:
        """The step's settings."""
        return getattr(self, self.kind)


if TYPE_CHECKING:
    StepEntry = _StepEntry
    RuntimeName = str
else:
    RuntimeName = Literal[RUNTIMES]
    StepEntry = one_of({kind: step.config for kind, step in steps().items()}, _StepEntry, "StepEntry")


class DeviceModel(Strict):
    """Devices by a part of their model's name."""

    model: str = Field(min_length=1, description="Such as pixel; in any case.")


class AdbTarget(Strict):
    """The ready devices that fit."""

    adb: DeviceModel


class DeviceConfig(Strict):
    """How attached devices are measured."""

    threads: int | None = Field(None, ge=1, le=64, description="Default: as many as there are fast cores.")
    max_seconds: float = Field(120.0, gt=0, le=86_400, description="Ends the timing of a network that takes longer.")
    timeout_s: float = Field(900.0, gt=0, le=86_400, description="The runner's own limit per network.")
    cool_down_s: float = Field(300.0, ge=0, le=3600, description="Longest wait for a warm device, before each network.")
    ort_library: RecipePath | None = Field(None, description="The runtime for the device: a .so or an .aar.")
    providers: dict[ProviderName, dict[str, str]] = Field(
        default_factory=dict, description="Execution providers in order, each with its options; default: cpu."
    )
    parallel: bool = Field(False, description="Several devices at the same time.")


Adb = Annotated[str, Field(pattern=r"^adb(:.+)?$")]


class ProfileConfig(Strict):
    """Where and how latency and memory are measured."""

    targets: list[Literal["host"] | Adb | AdbTarget] = Field(
        ["host"],
        min_length=1,
        max_length=100,
        description="host; adb (every ready device), adb:NAME (a serial or usb:PATH, see workbench devices), or "
        "adb: {model: PART OF ITS NAME}.",
    )
    device: DeviceConfig = DeviceConfig()
    runtimes: list[RuntimeName] = Field([one.name for one in all_described() if one.by_default], min_length=1)
    threads: int | None = Field(None, ge=1, le=1024, description="Default: the cores that this process may use.")
    iterations: int = Field(30, ge=3, le=100_000, description="Least number of timed passes.")
    min_seconds: float = Field(
        1.0, ge=0, le=3600, description="Least time spent on timed passes, per candidate and component."
    )
    warmup: int = Field(5, ge=1, le=1000)


_AT = r"^(latency_ms|peak_rss_mb)@.+$"
_ON_METRIC = rf"^[^@]+_({'|'.join(bound.value for bound in Bound)})$"
_FORMS = {"at": "@", "metrics": _ON_METRIC}
COSTS = ("speed", "smallness")
"""What a recipe may rank by besides metrics."""


class Constraints(Strict):
    """What a candidate must satisfy to be chosen. Drops are relative to the recipe's first candidate."""

    model_config = ConfigDict(
        json_schema_extra={"patternProperties": {_AT: {"type": "number"}, _ON_METRIC: {"type": "number"}}}
    )

    latency_ms: float | None = Field(
        None, gt=0, description="Whole pipeline at evaluate.steps, median, on the first target."
    )
    size_mb: float | None = Field(None, gt=0, description="All components, in units of 1e6 bytes.")
    peak_rss_mb: float | None = Field(None, gt=0)
    at: dict[Annotated[str, Field(pattern=_AT)], Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Limits on one target: written latency_ms@TARGET or peak_rss_mb@TARGET beside the others.",
    )
    metrics: dict[Annotated[str, Field(pattern=_ON_METRIC)], float] = Field(
        default_factory=dict,
        description="Limits on metrics: written METRIC_min, METRIC_max or METRIC_drop beside the others.",
    )

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, data: Any) -> Any:
        """Keys that are written beside the others: of one target, whichever decides, and of metrics, whose bare names
        stand for their least values."""
        if not isinstance(data, dict):
            return data
        named = {f"{key}_{Bound.MIN.value}" if key in metrics() else key: value for key, value in data.items()}
        fields = {key: next((f for f, form in _FORMS.items() if re.search(form, str(key))), None) for key in named}
        gathered = {key: value for key, value in named.items() if fields[key] is None}
        for field in _FORMS:
            beside, inner = {key: named[key] for key in named if fields[key] == field}, gathered.get(field, {})
            if beside and isinstance(inner, dict):  # else its own error is told
                gathered[field] = {**inner, **beside}
        return gathered

    def limits(self) -> dict[str, float | None]:
        """All limits by key, those on other targets as ``latency_ms@TARGET``."""
        return {**self.model_dump(exclude={"at", "metrics"}), **self.at, **self.metrics}


class Rank(Strict):
    """Which candidate is chosen: the best in ``maximize`` among those within the constraints."""

    maximize: str | None = Field(
        None,
        description=f"{', '.join(COSTS)}, or a metric's name; default: the first that can be measured for this model.",
        examples=[*qualities(metrics()), *COSTS],
    )
    targets: list[str] | None = Field(
        None,
        min_length=1,
        description=f"Where the choice is made, such as {', '.join(one.target for one in all_described()[:2])}; "
        "default: the first target not emulated.",
    )
    constraints: Constraints = Constraints()
    allow: list[Literal["simulated", "emulated"]] = Field(
        default_factory=list,
        max_length=2,
        description="Times that may win by speed although they aren't those of the scheme, or of the device.",
    )


class Published(Strict):
    """One published table, or a part of it: a score for each of some candidates. Only the order is compared."""

    title: str = Field(min_length=1, description="Heads the table in the report, such as Table 3, four steps.")
    source: str = Field(min_length=1, description="Where the figures were published, such as arXiv 2404.11925.")
    score: str = Field(min_length=1, description="What the published score is called there, such as CLIP.")
    metric: str | None = Field(
        None,
        description="Our score that stands beside it, of each picture; default: the first that needs no reference.",
    )
    better: Literal["high", "low"] = Field("high", description="Which end of the published score is the better one.")
    values: dict[str, float] = Field(
        min_length=2,
        max_length=MOST,
        description="At least two candidates, named as the report names them (NAME-4steps), each with its figure.",
    )


class Recipe(Strict):
    """A recipe: a model, the steps that make it small, how to evaluate, where to profile, how to rank."""

    version: Literal[1] = Field(description="Version of this schema.")
    name: Name = Field(description="Names the files in profiles/ and reports/.")
    description: str = ""
    model: Source = Field(
        description=f"{FORMS} (only the Hub uses the network); or a mapping with path: and more.",
    )
    data: RecipePath | None = Field(
        None, description="demo, or captioned pictures: a folder, a table or a tar; default: the model's own."
    )
    data_sets: list[DataSet] = Field(
        default_factory=list,
        max_length=MOST,
        description="Sets of captioned pictures made from others; a step that trains may name one.",
    )
    seed: int = Field(0, ge=0, lt=2**31)
    max_memory_gb: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Most memory that a stage may plan with, in units of 1e9 bytes; no result depends on it.",
    )
    steps: list[StepEntry] = Field(
        default_factory=list, max_length=MOST, description="In order; each one makes a candidate."
    )
    evaluate: Evaluate = Evaluate()
    profile: ProfileConfig = ProfileConfig()
    rank: Rank = Rank()
    published: list[Published] = Field(
        default_factory=list,
        max_length=MOST,
        description="Figures that others published, for the report to set beside ours.",
    )

    @field_validator("data_sets")
    @classmethod
    def _folders(cls, sets: list[DataSet], info: ValidationInfo) -> list[DataSet]:
        """Of what a set is ``from``, what isn't the name of another one is a path."""
        names, place = {DATA, *(one.name for one in sets)}, TypeAdapter(RecipePath | None).validate_python
        return [
            one if one.from_ in names else one.model_copy(update={"from_": place(one.from_, context=info.context)})
            for one in sets
        ]

    @property
    def max_memory_bytes(self) -> int | None:
        """``max_memory_gb`` in bytes."""
        return None if self.max_memory_gb is None else round(self.max_memory_gb * 1e9)

    def settings(self) -> dict[str, Any]:
        """All that results can depend on (JSON)."""
        return self.model_dump(mode="json", exclude={"max_memory_gb"})

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics that candidates are scored by, by name."""
        return self.evaluate.known_metrics()

    def limited(self) -> dict[str, Limit]:
        """The constraints on metrics that are set, by key.

        Raises:
            KeyError: one of them is on a metric that isn't there (``load_recipe`` finds it).
        """
        offered = limits(self.metrics)
        return {key: offered[key] for key in self.rank.constraints.metrics}

    def metric_beside(self, table: Published) -> Metric:
        """The metric that a published table is held against: by default the first that needs no reference."""
        each = [metric for metric in self.metrics.values() if metric.per_picture]
        return self.metrics[table.metric] if table.metric else min(each, key=lambda metric: metric.of_reference)

    def candidate_names(self) -> list[str]:
        """Names of all candidates in order; the untouched model, ``base``, is the first."""
        names = ["base"]
        for entry in self.steps:
            name = entry.config.candidate or entry.config.default_name()
            taken = sum(n == name or (n.startswith(f"{name}_") and n[len(name) + 1 :].isdigit()) for n in names)
            names.append(name if not taken else f"{name}_{taken + 1}")
        return names

    def parents(self) -> list[int]:
        """For every step, which of ``candidate_names()`` it starts from; a name that isn't there gives the one before.

        A step's own candidate is the one after its position, so that the first step makes candidate 1.
        """
        names = self.candidate_names()
        given = [entry.config.from_ for entry in self.steps]
        return [names.index(name) if name in names[: i + 1] else i for i, name in enumerate(given)]
