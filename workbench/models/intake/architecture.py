"""``arch:NAME``: a published architecture with random weights, for what doesn't hang on them: times, sizes, memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError
from workbench.models.families import architecture
from workbench.models.families.stable_diffusion.architectures import SCHEDULER
from workbench.models.folder import MADE
from workbench.models.intake import outline
from workbench.models.intake.tokenizer import write_byte_tokenizer
from workbench.models.random_weights import write_random
from workbench.models.read_json import read_object
from workbench.progress import Tick

ARCH = "arch:"
RANDOM = "random weights: its pictures and every quality of them mean nothing; times, sizes and memory do"


def is_random(folder: Path) -> bool:
    """Whether the weights of the pipeline in ``folder`` are, or will be, random."""
    made = folder / MADE
    return made.is_file() and any(name.startswith(ARCH) for name in read_object(made)["made_from"])


@dataclass(frozen=True)
class Architecture:
    """The architecture of a name."""

    name: str
    files: tuple[Path, ...] = ()

    def problems(self) -> list[str]:
        """A name that isn't known."""
        try:
            architecture(self.name)
        except InputError as error:
            return [error.line]
        return []

    def outline(self, out: Path) -> None:
        """Writes the folder without the weights."""
        family, configs = architecture(self.name)
        outline.write_configs(out, family, configs)
        outline.write_scheduler(out, SCHEDULER)
        text = configs[family.prompt_encoder.name]
        write_byte_tokenizer(out / outline.TOKENIZER, text["vocab_size"], text["max_position_embeddings"])
        outline.list_tokenizer(out)
        outline.note(out, f"{ARCH}{self.name}", [f"{ARCH}{self.name}: {RANDOM}"])

    def weights(self, out: Path, tick: Tick) -> None:
        """Writes weights in half precision, the same at every place."""
        family, configs = architecture(self.name)
        for done, part in enumerate(family.parts, 1):
            file = out / part.folder / f"{part.stem}.safetensors"
            write_random(part.empty(configs[part.name]), file, half=True)
            tick(done, part.label)
