"""One network to profile: its files or how to build it, and seeded inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import LoadError

if TYPE_CHECKING:
    import numpy as np

    from workbench.models.candidate import Candidate
    from workbench.models.families.base import Family


MODEL = "model"
"""The component of a network that isn't part of a pipeline."""


@dataclass(frozen=True)
class TorchForm:
    """How any process gets the network as a torch module (``workbench.runtimes.torch.form.build``): plain JSON.

    ``folder``: ``where`` is the component's diffusers/transformers folder, ``source`` the pipeline's.
    ``factory``: ``where`` is ``module:function``, a function that returns ``(module, inputs by name)``.
    """

    kind: Literal["folder", "factory"]
    where: str
    component: str
    source: str = ""


@dataclass(frozen=True)
class Network:
    """One component of one candidate, in all forms that exist of it.

    ``candidate`` is the candidate's name (a file's stem, an architecture's name), ``component`` the name of one of its
    ``family``'s components, or ``model`` where there is no pipeline; ``source`` is the pipeline's folder. ``file`` is
    an ONNX file or an OpenVINO ``.xml``. ``feed`` holds inputs by name, in the order of the torch module's arguments.
    """

    candidate: str
    component: str
    scheme: str
    feed: Mapping[str, np.ndarray]
    file: Path | None = None
    torch: TorchForm | None = None
    family: Family | None = None
    source: Path | None = None

    @property
    def label(self) -> str:
        """``candidate.component``, for messages and progress."""
        return f"{self.candidate}.{self.component}"

    @property
    def identity(self) -> tuple[str, str]:
        """Equal for networks with the same files, which are measured once."""
        where = str(self.file.resolve()) if self.file else self.torch.where if self.torch else ""
        return self.component, where

    @property
    def path(self) -> Path:
        """Its file, for those who run files: ``Runtime.refuses`` says that there is one."""
        assert self.file is not None
        return self.file

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Reports what can't be loaded as bad input where the file is the user's own and wasn't made here."""
        try:
            yield
        except LoadError as error:
            if self.component != MODEL or self.torch is not None:
                raise
            raise error.as_input() from error

    def described(self) -> dict[str, Any]:
        """The network as JSON for another process; inputs by shape and type (``from_description`` seeds them)."""
        import dataclasses

        return {
            "candidate": self.candidate,
            "component": self.component,
            "scheme": self.scheme,
            "feed": {name: [list(value.shape), str(value.dtype)] for name, value in self.feed.items()},
            "file": str(self.file) if self.file else None,
            "torch": dataclasses.asdict(self.torch) if self.torch else None,
        }


def from_description(described: Mapping[str, Any]) -> Network:
    """The network of ``described``; its inputs are zeros, which is enough to measure memory."""
    import numpy as np

    return Network(
        candidate=described["candidate"],
        component=described["component"],
        scheme=described["scheme"],
        feed={name: np.zeros(shape, _dtype(kind)) for name, (shape, kind) in described["feed"].items()},
        file=Path(described["file"]) if described["file"] else None,
        torch=TorchForm(**described["torch"]) if described["torch"] else None,
    )


def _dtype(name: str) -> np.dtype[Any]:
    """An element type by its name; those that numpy hasn't are ``ml_dtypes``'."""
    import numpy as np

    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))


def network_of(candidate: Candidate, component: str, file: Path | None, seed: int) -> Network:
    """A candidate's component as a network; ``file`` is its ONNX or OpenVINO file where there is one."""
    entry = candidate.components[component]
    form = TorchForm("folder", str(entry.path), component, str(candidate.source)) if entry.kind == "torch" else None
    feed = candidate.spec(component).seeded(seed)
    return Network(candidate.name, component, entry.scheme, feed, file, form, candidate.family, candidate.source)
