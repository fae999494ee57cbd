"""What a layout of a shipped folder declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.models.candidate import Candidate


@dataclass(frozen=True)
class Order:
    """What is to be shipped: a candidate, and the file of each component that the run drew with."""

    candidate: Candidate
    files: Mapping[str, Path]

    @property
    def few(self) -> bool:
        """Whether it was distilled to few steps: then another pipeline and scheduler draw with it."""
        return self.candidate.guidance_width is not None

    @property
    def pipeline(self) -> str:
        """The class that draws with it in diffusers, by whose name others know it as well."""
        return "LatentConsistencyModelPipeline" if self.few else "StableDiffusionPipeline"


@dataclass(frozen=True)
class Layout:
    """A way in which some client wants a pipeline's files to lie.

    ``module`` is the ``__name__`` of the folder that declares it; its ``client.py`` draws with the client alone.
    """

    module: str
    title: str
    """Its client, for readers."""
    kind: str
    """The kind of component that it is for; ``torch`` ones go into any."""
    order: int
    """Of several that a candidate's components ask for, the last is taken."""
    distributions: tuple[str, ...]
    """What ``client.py`` imports, as pip knows it: their versions are in the manifest."""
    install: str
    """How its client is installed."""
    write: Callable[[Order, Path], list[str]]
    """Writes the files into a folder; sentences on what a reader has to know."""
    example: Callable[[Order], str]
    """Python lines that load ``FOLDER`` and draw, with {steps}, {guidance}, {height} and {width} to be filled in."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.module.rpartition(".")[2]

    @property
    def client(self) -> Path:
        """The file that draws, run without this package."""
        return Path(__file__).parent / self.name / "client.py"
