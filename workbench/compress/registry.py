"""From a step's name in a recipe to its config class and its function.

To add a step: one file in this folder with a ``StepConfig`` subclass and a function decorated with ``@step(...)``.
"""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from workbench.data.captioned import captions, is_there
from workbench.data.lines import numbered
from workbench.models.candidate import Candidate, Component
from workbench.models.families import denoisers
from workbench.strict import Name, Strict

if TYPE_CHECKING:
    from workbench.forecast.cost import Cost, Facts
    from workbench.progress import Progress


class StepConfig(Strict):
    """What every step has in common."""

    from_: str | None = Field(
        None, alias="from", description="Candidate that this step starts from; default: the one before it."
    )
    candidate: Name | None = Field(None, description="Name of the candidate that this step makes.")

    @abstractmethod
    def default_name(self) -> str:
        """The candidate's name when the recipe gives none."""

    def takes(self) -> frozenset[str]:
        """Components that the step needs as torch models, of whatever family."""
        return denoisers()

    def leaves_files(self) -> frozenset[str]:
        """Components that are a runtime's files after the step."""
        return frozenset()

    @property
    def denoiser_class(self) -> str | None:
        """The only class of denoiser that the step can work on; None: any."""
        return None

    @property
    def reads_data(self) -> bool:
        """Whether the step reads captions or pictures of the recipe's data."""
        return self.reads_pictures

    @property
    def reads_pictures(self) -> bool:
        """Whether captions alone won't do; else ``evaluate.prompts`` stand in where there is no data."""
        return self.trains

    @property
    def trains(self) -> bool:
        """Whether the step trains the denoiser, which takes most of a run's time, memory and disk."""
        return False

    @property
    def denoises(self) -> bool:
        """Whether the step runs the parent's denoiser as one of many steps; those distilled to few can't be run so."""
        return self.trains

    @property
    def draws(self) -> Mapping[str, int]:
        """Denoising steps of the pictures that the step draws with its parent's denoiser, by key inside the step."""
        return {}

    @property
    def data_set(self) -> str | None:
        """The recipe's data set that the step is trained on; None: the recipe's ``data``."""
        return None

    @property
    def teacher_name(self) -> str | None:
        """The candidate that teaches the denoiser, against which its pictures are then held; None: nobody does."""
        return None

    def doubts(self, _runtimes: Sequence[str]) -> Iterator[tuple[str, str]]:
        """What can't be shown on these runtimes, as (key inside the step, sentence): ``check`` warns of it."""
        yield from ()

    def others(self) -> Mapping[str, str]:
        """Further candidates whose torch denoiser the step reads, by the key that names each."""
        return {}

    def files(self) -> Mapping[str, Path]:
        """Files that the step reads, by key: checked before any work, their contents part of the result's key."""
        return {}

    def reached(self) -> frozenset[str]:
        """Modules and packages that the step finds by name in a registry: part of the result's key."""
        return frozenset()

    def unreached(self) -> frozenset[str]:
        """Modules that the step's code imports somewhere but never with this config: no part of the result's key."""
        return frozenset()

    def machine(self) -> Mapping[str, Any]:
        """What the result depends on of the machine that computes it, as part of the result's key."""
        return {}

    def cost(self, facts: Facts) -> Cost:
        """What the step takes, for the forecast (no part of the result's key); here, of one that handles weights."""
        from workbench.forecast.shapes import weights

        return weights([facts.before, facts.made], facts.made)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Whole numbers that its time grows with, by key inside the step: where it takes days, fewer are proposed."""
        return {}


@dataclass(frozen=True)
class StepContext:
    """What a step works with.

    ``base`` is the recipe's untouched model, ``parent`` the candidate before this step, ``out`` the folder for files,
    ``state`` the folder for checkpoints (kept when the step is killed, removed when it is done).
    """

    base: Candidate
    parent: Candidate
    seed: int
    data: str | None
    out: Path
    state: Path
    progress: Progress
    export: Callable[[Candidate, str], Path]
    """``export(candidate, component)``: the stored ONNX export of a torch component."""
    others: Mapping[str, Candidate] = field(default_factory=dict)
    """The candidates that the step's config names."""
    prompts: str | None = None
    """The recipe's file of prompts."""
    max_memory_bytes: int | None = None
    """What the step may plan with, where the recipe says so; it must change nothing but how much is done at a time."""

    def captions(self) -> list[str]:
        """What the parent draws, each text once: the data's training captions or, where there is none, the prompts."""
        if self.prompts and not is_there(self.data, self.base.source):
            texts = [line.strip() for _, line in numbered(Path(self.prompts))]
        else:
            texts = captions(self.data, self.base.source)
        return list(dict.fromkeys(texts))


@dataclass(frozen=True)
class StepResult:
    """Components that the step changed (paths inside ``out``) and what it reports (JSON)."""

    components: Mapping[str, Component]
    report: Mapping[str, Any]

    @classmethod
    def of(cls, changed: Component, report: Mapping[str, Any]) -> StepResult:
        """Of a step that changed one component."""
        return cls({changed.name: changed}, report)


Apply = Callable[[StepContext, Any], StepResult]


@dataclass(frozen=True)
class Step:
    """A registered step. Besides config and input its result depends on the code that ``apply`` reaches."""

    kind: str
    config: type[StepConfig]
    apply: Apply


_STEPS: dict[str, Step] = {}


def step(kind: str, config: type[StepConfig]) -> Callable[[Apply], Apply]:
    """Registers a function as the step ``kind``."""

    def register(apply: Apply) -> Apply:
        _STEPS[kind] = Step(kind, config, apply)
        return apply

    return register


@cache
def steps() -> dict[str, Step]:
    """All steps by name, in the order of their names."""
    folder = Path(__file__).parent
    for file in sorted(folder.rglob("*.py")):
        if "\n@step(" in file.read_text():
            importlib.import_module(".".join((__package__, *file.relative_to(folder).with_suffix("").parts)))
    return dict(sorted(_STEPS.items()))
