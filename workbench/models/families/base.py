"""What a model family is: its networks in order, what each takes and how it is loaded, and what one picture costs."""

from __future__ import annotations

import importlib
import importlib.resources
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import InputError, WorkbenchError
from workbench.models.families.policy import PolicySet
from workbench.models.read_json import read_object
from workbench.models.weights import Shape, Tensors, count, disagreement, tensors_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from workbench.models.checked import NetworkConfig

Config = dict[str, Any]
Configs = Callable[[str], Config]
"""A component's name to its ``config.json``."""
Headers = Callable[[Path, str], Tensors | None]
"""A network's folder and the stem of its weight files to what their headers say."""
Role = Literal["prompt encoder", "denoiser", "decoder"]
TIMESTEPS, PASSES = "timesteps", "guidance_passes"
"""What a component's passes for one picture may be multiplied by: the scheduler's timesteps, passes of guidance."""
TIMES = 1000
"""Timesteps of a denoiser go from 0 to below this."""


@dataclass(frozen=True)
class Spec:
    """Names, shapes and types of a component's inputs (batch 1), and the name of its output.

    ``vocabulary``: below what token ids stay. ``time``: the input that is a timestep. ``free``: sides of an input that
    the weights don't fix, such as height and width.
    """

    inputs: Mapping[str, tuple[tuple[int, ...], str]]
    output: str
    vocabulary: int = 0
    time: str = ""
    free: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def seeded(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Inputs as the component may see them: normal noise, a timestep in 0…999, token ids."""
        import numpy as np

        rng = np.random.default_rng(seed)
        made: dict[str, np.ndarray] = {}
        for name, (shape, kind) in self.inputs.items():
            if kind == "int64":
                made[name] = rng.integers(0, self.vocabulary, shape, dtype=np.int64)
            elif name == self.time:
                made[name] = rng.integers(0, TIMES, shape).astype(np.float32)
            else:
                made[name] = rng.standard_normal(shape, dtype=np.float32)
        return made


class Part(ABC):
    """One component of a family: a network that lies in a folder of its own."""

    name: str
    """In recipes, profiles and on the command line."""
    label: str
    """As readers know it."""
    role: Role
    folder: str
    """In the pipeline's folder, and its key in ``model_index.json``."""
    library: str
    cls: str
    """The class in that library which reads the folder."""
    also: tuple[str, ...] = ()
    """Other classes that are accepted."""
    repeats: tuple[str, ...] = ()
    """What multiplies its one pass for a picture: ``TIMESTEPS``, ``PASSES``."""
    wrapper: str = "net"
    """The attribute of ``module``'s result that holds the network; "" where its parts are attributes of their own."""

    @property
    def stem(self) -> str:
        """The weight files' name without suffix, as the library writes it."""
        return "model" if self.library == "transformers" else "diffusion_pytorch_model"

    @property
    def pickled(self) -> str:
        """The same of files that aren't safetensors."""
        return "pytorch_model" if self.library == "transformers" else self.stem

    @abstractmethod
    def spec(self, configs: Configs) -> Spec:
        """What goes in and comes out, from the configs of the family's components alone."""

    @abstractmethod
    def trained(self, folder: Path) -> Any:
        """The trained network in ``folder`` as its library knows it."""

    @abstractmethod
    def empty(self, config: Config, folder: Path | None = None) -> Any:
        """The network of a config on the meta device; ``folder``: where files beside the config may say more of it."""

    @abstractmethod
    def module(self, net: Any) -> torch.nn.Module:
        """``net`` as a module that takes the spec's inputs by position and returns its output."""

    def net(self, folder: Path) -> Any:
        """``trained`` in float32 and evaluation mode.

        Raises:
            InputError: its library can't read the folder.
        """
        try:
            return self.trained(folder).float().eval()
        except (WorkbenchError, MemoryError, RuntimeError):
            raise
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"{folder}: {self.library} can't read it as a {self.cls} ({reason})") from error

    def load(self, folder: Path) -> torch.nn.Module:
        """The trained network as ``module`` gives it, with weights that need no gradients."""
        return self.module(self.net(folder)).float().eval().requires_grad_(False)

    def config(self, folder: Path) -> Config:
        """The ``config.json`` in ``folder``, ``completed``.

        Raises:
            InputError: it can't be read.
        """
        return self.completed(read_object(folder / "config.json"))

    def completed(self, config: Config) -> Config:
        """A config with entries that are needed and that some files lack."""
        return config

    def notes(self, _config: Config) -> Iterator[str]:
        """What is taken otherwise than the config says, entry by entry."""
        yield from ()

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes that are accepted."""
        return (self.cls, *self.also)

    def class_of(self, config: Config) -> str:
        """The class that a config names, where it is one of those."""
        name = config.get("_class_name")
        return name if name in self.classes else self.cls

    def schema(self, _config: Config) -> type[NetworkConfig] | None:
        """What a config of that class may hold, as far as it is known."""
        return None

    def tensors(self, known: NetworkConfig, _folder: Path) -> Mapping[str, Shape]:
        """The shapes of the tensors that a config asks for, by name."""
        return known.tensors()

    def shapes(self, folder: Path) -> Mapping[str, Shape]:
        """Those of the network in ``folder``: from its config where it is known, else from the weights' headers.

        Raises:
            InputError: neither can be read.
        """
        config = self.config(folder)
        schema = self.schema(config)
        if schema is None:
            return tensors_of(folder, self.stem).shapes
        return self.tensors(schema.model_validate(config), folder)

    def params(self, folder: Path) -> int:
        """Weights of the network in ``folder``: by their files' headers; while these are to be made, by the config.

        Raises:
            InputError: what is there can't be read.
        """
        there = any(folder.glob("*.safetensors"))
        return tensors_of(folder, self.stem).params if there else count(self.shapes(folder))

    def renamed(self, tensor: str) -> str:
        """What a tensor of an old file is called today."""
        return tensor

    def problems(self, folder: Path, headers: Headers = tensors_of) -> Iterator[str]:
        """What keeps the network in ``folder`` from being used, from its config and the headers of its weights.

        ``headers``: gives them; None where there are none to look at.
        """
        file = folder / "config.json"
        config, tensors = self.config(folder), headers(folder, self.stem)
        schema = self.schema(config)
        if schema is None:
            return
        from workbench.models.checked import problems_of

        if wrong_entries := problems_of(schema, config):
            yield from (f"{file}: {what}" for what in wrong_entries)
            return
        if tensors is None:
            return
        expected = self.tensors(schema.model_validate(config), folder)
        shapes = {self.renamed(name): shape for name, shape in tensors.shapes.items()}
        if wrong := disagreement(expected, shapes):
            yield f"{file}: doesn't fit the weights beside it: {wrong}; they belong together, copy both again"
        for name, kind in tensors.types.items():
            if self.renamed(name) in expected and not kind.startswith(("F", "BF")):
                yield f"{folder}: {name} holds {kind}; needs weights in floats"
                return

    def described(self, config: Config) -> Config:
        """A config as it lies in the network's folder: with the name of its class."""
        named = {"architectures": [self.cls]} if self.library == "transformers" else {"_class_name": self.cls}
        return named | config


@dataclass(frozen=True)
class Family:
    """A kind of model: text in, a latent denoised in steps, a picture out.

    Attributes:
        name: of the family, and ``label`` for readers.
        parts: its components, in the order in which a picture passes through them.
        beside: further folders of the pipeline that are read, with the classes that ``model_index.json`` may name for
            them; none: any.
        disagreements: what in a pipeline's folder doesn't fit together, one sentence each.
        foreign: components whose presence says that it is another family, and what to say then.
        latents: scale and shift between the denoiser's latents and the decoder's, from the decoder's config: the
            decoder takes latent / scale + shift.
        factor: sides of a picture ÷ sides of its latent, from the decoder's config.
        package: of the family, whose modules ``layouts``, ``policies`` and ``architectures`` hold what is published on
            it; "" where nothing is. They are loaded when they are asked for, and are part of the keys of those results
            only that name them.
    """

    name: str
    label: str
    parts: tuple[Part, ...]
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    disagreements: Callable[[Path, Configs], Iterator[str]] = lambda _folder, _configs: iter(())
    foreign: Mapping[str, str] = field(default_factory=dict)
    latents: Callable[[Config], tuple[float, float]] = lambda _config: (1.0, 0.0)
    factor: Callable[[Config], int] = lambda _config: 1
    package: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The components' names in order."""
        return tuple(part.name for part in self.parts)

    def part(self, name: str) -> Part:
        """The component of that name (KeyError: there is none)."""
        return {part.name: part for part in self.parts}[name]

    def _of_role(self, role: Role) -> Part:
        return next(part for part in self.parts if part.role == role)

    @property
    def denoiser(self) -> Part:
        """The component that is compressed first: it runs once a step and pass of guidance."""
        return self._of_role("denoiser")

    @property
    def prompt_encoder(self) -> Part:
        """The component that turns token ids into what the denoiser reads of a prompt."""
        return self._of_role("prompt encoder")

    @property
    def decoder(self) -> Part:
        """The component that turns a latent into a picture."""
        return self._of_role("decoder")

    @property
    def formula(self) -> str:
        """One picture's cost: the sum of the components' passes, each times what repeats it."""
        return " + ".join(" × ".join((part.name, *part.repeats)) for part in self.parts)

    def module(self, kind: str) -> str | None:
        """The dotted name of the module of what is published: layouts, policies or architectures; None: nothing is."""
        exists = self.package and (importlib.resources.files(self.package) / f"{kind}.py").is_file()
        return f"{self.package}.{kind}" if exists else None

    def _published(self, kind: str) -> Mapping[str, Any]:
        name = self.module(kind)
        published: Mapping[str, Any] = getattr(importlib.import_module(name), kind.upper()) if name else {}
        return published

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """Sets of blocks to remove from the denoiser, by name."""
        return self._published("layouts")

    @property
    def policies(self) -> Mapping[str, PolicySet]:
        """Sets of layers that quantization leaves as they are, by name."""
        return self._published("policies")

    @property
    def architectures(self) -> Mapping[str, Mapping[str, Config]]:
        """Models by name, as configs by component."""
        return self._published("architectures")

    def matches(self, classes: Mapping[str, str]) -> int:
        """How many of the components are among ``classes`` (folder to the name of its class)."""
        return sum(classes.get(part.folder) in part.classes for part in self.parts)

    def configs(self, folder: Path) -> Configs:
        """The components' configs in a pipeline's folder."""
        return lambda name: self.part(name).config(folder / self.part(name).folder)

    def latent(self, configs: Configs) -> tuple[int, ...]:
        """The shape of a latent, the denoiser's first input: (1, C, h, w)."""
        (shape, _), *_ = self.denoiser.spec(configs).inputs.values()
        return shape

    def sides(self, configs: Configs) -> tuple[int, int]:
        """Height and width of a picture in pixels."""
        *_, height, width = (side * self.factor(configs(self.decoder.name)) for side in self.latent(configs))
        return height, width

    def side(self, configs: Configs) -> int:
        """The longer side of a picture in pixels."""
        return max(self.sides(configs))

    def scaling(self, folder: Path) -> tuple[float, float]:
        """``latents`` of the pipeline in ``folder``."""
        return self.latents(self.configs(folder)(self.decoder.name))


def repeats(formula: str | None) -> dict[str, tuple[str, ...]]:
    """The components of a family's formula, in order, each with what its pass is multiplied by for a picture."""
    terms = [term.split(" × ") for term in formula.split(" + ")] if formula else []
    return {name: tuple(by) for name, *by in terms}


def calls(formula: str | None, counts: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The same with values for what passes are multiplied by; nothing where ``counts`` lacks one of them."""
    repeated = repeats(formula)
    if any(by not in counts for factors in repeated.values() for by in factors):
        return {}
    return {name: tuple(counts[by] for by in factors) for name, factors in repeated.items()}
