"""A pipeline's folder of which other weight files are taken than its plain ones: a variant, or pickles."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InputError
from workbench.models.families import family_of
from workbench.models.families.base import Part
from workbench.models.folder import inspect_folder
from workbench.models.intake import outline
from workbench.models.intake.locate import weights_of
from workbench.models.intake.model import Model
from workbench.models.intake.pickled import load_pickled
from workbench.models.weights import ANY, PICKLED, Tensors, load_tensors, tensors_of, weight_files
from workbench.progress import Tick


@dataclass(frozen=True)
class Folder:
    """``folder``, as ``model`` says that it is taken."""

    folder: Path
    model: Model

    @property
    def files(self) -> list[Path]:
        """The weight files that are taken."""
        return [file for part in family_of(self.folder).parts for file in self._files(part)]

    @property
    def _order(self) -> tuple[str, ...]:
        return (self.model.variant, *ANY) if self.model.variant else ANY

    def _files(self, part: Part) -> list[Path]:
        """The weight files of a network.

        Raises:
            InputError: there are none that may be read.
        """
        inside = self.folder / part.folder
        try:
            return weight_files(inside, part.stem, self._order)
        except InputError:
            pickled = weights_of(part, sorted(f.name for f in inside.iterdir()), self.model)
            if not pickled or Path(pickled[0]).suffix not in PICKLED:
                raise
            return [inside / name for name in pickled]

    def _headers(self, folder: Path, stem: str) -> Tensors | None:
        part = next(part for part in family_of(self.folder).parts if part.folder == folder.name)
        pickled = self._files(part)[0].suffix in PICKLED
        return None if pickled else tensors_of(folder, stem, self._order)

    def problems(self) -> list[str]:
        """What keeps it from being made, a sentence each; of pickles only what their configs tell."""
        return inspect_folder(self.folder, self._headers)

    def outline(self, out: Path) -> None:
        """Writes the folder as far as it is known without the weights."""
        outline.copy_outline(self.folder, out, family_of(self.folder))
        said = []
        for part in family_of(self.folder).parts:
            names = ", ".join(file.name for file in self._files(part))
            if any(file.suffix in PICKLED for file in self._files(part)):
                said.append(f"{self.folder / part.folder}: {names}: pickled, read as tensors and nothing else")
            elif self.model.variant and self.model.variant not in names:
                said.append(f"{self.folder / part.folder}: no {self.model.variant} variant there; {names} is taken")
        outline.note(out, str(self.folder), said)

    def weights(self, out: Path, tick: Tick) -> None:
        """Writes the weights beside the configs in ``out``, under the plain names."""
        from safetensors.torch import save_file

        for done, part in enumerate(family_of(self.folder).parts, 1):
            files, target = self._files(part), out / part.folder / f"{part.stem}.safetensors"
            if len(files) == 1 and files[0].suffix not in PICKLED:
                shutil.copyfile(files[0], target)
            else:
                tensors = load_pickled(files) if files[0].suffix in PICKLED else load_tensors(files)
                save_file({name: value.contiguous() for name, value in tensors.items()}, target, {"format": "pt"})
            tick(done, part.label)
