"""A candidate: the model at one point of a recipe's chain, as folders and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.models import guidance
from workbench.models.families import family_of
from workbench.models.families.base import Family, Spec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Component:
    """One network of a candidate.

    ``torch``: ``path`` is a diffusers/transformers folder (config.json + safetensors).
    Else ``kind`` is the name of a file's format, such as ``onnx``, and ``path`` the file, whose nodes are named by
    their layer; what belongs to it lies beside it.
    """

    name: str
    kind: str
    path: Path
    scheme: str = "fp32"


@dataclass(frozen=True)
class Candidate:
    """A model at one point of the chain; ``source`` is the pipeline folder with tokenizer and scheduler.

    ``key`` is the store key of what made it, ``report`` is the step's (JSON).
    """

    name: str
    key: str
    source: Path
    components: Mapping[str, Component]
    lineage: tuple[str, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    """Name of the candidate that it was made from."""
    teacher: str | None = None
    """Name of the candidate that taught its U-Net in the step that made it."""
    configs: Mapping[str, Path] = field(default_factory=dict)
    """Where the config of a component lies that was changed and may be a runtime's file by now."""
    steps: int | None = None
    """Denoising steps of its pictures; None: as many as the recipe's ``evaluate.steps``."""

    @cached_property
    def family(self) -> Family:
        """What kind of model it is.

        Raises:
            InputError: its pipeline is of no known family.
        """
        return family_of(self.source)

    @property
    def denoiser(self) -> Component:
        """The network that steps change."""
        return self.components[self.family.denoiser.name]

    def config(self, component: str) -> dict[str, Any]:
        """A component's config.json; empty where its folder has none."""
        entry, part = self.components[component], self.family.part(component)
        folder = entry.path if entry.kind == "torch" else self.configs.get(component, self.source / part.folder)
        return part.config(folder) if (folder / "config.json").is_file() else {}

    def spec(self, component: str) -> Spec:
        """What goes into a component and comes out, from the configs of the candidate's folders alone."""
        return self.family.part(component).spec(self.config)

    def load(self, component: str) -> torch.nn.Module:
        """The component in float32, evaluation mode, as a module that takes the spec's inputs in order."""
        return self.family.part(component).load(self.components[component].path)

    def with_denoiser(self, folder: Path) -> Candidate:
        """The same with the torch denoiser that lies, or will lie, in ``folder``."""
        denoiser = replace(self.denoiser, kind="torch", path=folder)
        return replace(self, components={**self.components, denoiser.name: denoiser})

    @property
    def tokens(self) -> int:
        """Length of a prompt."""
        (shape, _), *_ = self.spec(self.family.prompt_encoder.name).inputs.values()
        return shape[1]

    @property
    def guidance_width(self) -> int | None:
        """Width of the embedding in which the denoiser takes the strength of guidance; None where it takes none."""
        return self.config(self.family.denoiser.name).get(guidance.FIELD)

    @property
    def scheme(self) -> str:
        """The scheme of the denoiser, which stands for the candidate in tables."""
        return self.denoiser.scheme

    @property
    def leaves_torch(self) -> bool:
        """Whether some component exists only as a runtime's file."""
        return any(c.kind != "torch" for c in self.components.values())


def pipeline_candidate(name: str, key: str, folder: Path) -> Candidate:
    """The untouched model in a pipeline's folder.

    The scheme is fp32 whatever the weights are stored in: that is what they are computed in.
    """
    parts = family_of(folder).parts
    return Candidate(
        name, key, folder, {part.name: Component(part.name, "torch", folder / part.folder) for part in parts}
    )


def at(name: str, steps: int) -> str:
    """A few-step candidate's name at one number of steps: ``student-2steps``; ``student-1step``."""
    return f"{name}-{steps}step{'s' if steps > 1 else ''}"
