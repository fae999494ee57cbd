"""A single-file checkpoint with CompVis' names, such as fine-tunes are passed on as, made into a pipeline's folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InputError, RunError
from workbench.models import scheduler
from workbench.models.families.base import Config, Part
from workbench.models.families.stable_diffusion import FAMILY, ldm
from workbench.models.families.stable_diffusion.architectures import SCHEDULER
from workbench.models.families.stable_diffusion.contents import not_a_checkpoint
from workbench.models.families.stable_diffusion.single import asked, fitting
from workbench.models.intake import outline
from workbench.models.intake.pickled import load_pickled
from workbench.models.read_json import read_object
from workbench.models.weights import PICKLED, Tensors, disagreement, load_tensors, read_header
from workbench.progress import Tick


@dataclass(frozen=True)
class SingleFile:
    """``file`` with the configs of ``config``, a diffusers folder; those that it lacks are told from the shapes.

    ``prompts``: whether a tokenizer is needed.
    """

    file: Path
    config: Path | None = None
    allow_pickle: bool = False
    prompts: bool = True

    @property
    def files(self) -> list[Path]:
        """Whose contents decide what comes out, beside the outline."""
        return [self.file]

    def problems(self) -> list[str]:
        """What keeps it from being made, a sentence each, from the header and the configs alone."""
        try:
            return list(self._problems())
        except InputError as error:
            return [error.line]

    def _problems(self) -> Iterator[str]:
        if self.config is not None and not self.config.is_dir():
            yield f"config: found {str(self.config)!r}, no such folder"
            return
        pickled = self.file.suffix in PICKLED
        if pickled and not self.allow_pickle:
            where = "where you trust it, a recipe's model: {path: …, config: …, allow_pickle: true} reads it"
            yield f"{self.file}: pickled weights can run code and aren't read; {where}"
            return
        if self.file.suffix != ".safetensors" and not pickled:
            yield f"{self.file}: is a file that no model is read from; needs a folder or a .safetensors file"
            return
        header = None if pickled else read_header(self.file)
        if header and (why := not_a_checkpoint(header.shapes)):
            yield f"{self.file}: {why}"
            return
        missing = list(self._missing(header))
        yield from missing
        if header and not missing:
            yield from self._misfits(header)

    def _missing(self, header: Tensors | None) -> Iterator[str]:
        """What ``config:`` has to name."""
        if self.prompts and not (self.config and (self.config / outline.TOKENIZER).is_dir()):
            found = f"{self.config} has none" if self.config else "config isn't set"
            yield (
                f"{self.file}: a single file has no tokenizer, and {found}; needs config: FOLDER, a diffusers folder "
                "of the same family with tokenizer/ (and scheduler/ for Stable Diffusion 2)"
            )
        if header is None:
            for name in [part.folder for part in FAMILY.parts if self._given(part) is None]:
                yield f"{self.file}: pickled, so nothing is known of it beforehand; needs {name}/config.json in config:"
        elif self.prompts and any(name.startswith(ldm.OPEN_CLIP) for name in header.shapes) and not self._scheduler():
            yield (
                f"{self.file}: of Stable Diffusion 2 there are models that predict noise and others that predict "
                f"velocity, which a file doesn't tell; needs scheduler/{scheduler.FILE} in config:"
            )

    def _misfits(self, header: Tensors) -> Iterator[str]:
        """Where the configs and the tensors differ."""
        from workbench.models.checked import problems_of

        for part in FAMILY.parts:
            config, file = self._given(part), f"{self.config}/{part.folder}/config.json"
            if config is None:
                name, config = fitting(part.name, header.shapes)
                file = f"the nearest that is known, {name},"
            elif part.class_of(config) not in part.classes[:1]:
                yield f"{file}: found {part.class_of(config)}; a single file has {part.cls}"
                continue
            elif (schema := part.schema(config)) and (wrong := problems_of(schema, config)):
                yield from (f"{file}: {what}" for what in wrong)
                continue
            if isinstance(config.get("layers_per_block"), list):
                yield f"{file}: layers_per_block: found a list; a single file has one number for all levels"
                continue
            if misfit := disagreement(asked(part.name, config, header.shapes), header.shapes):
                yield (
                    f"{self.file}: {part.label}: {file} doesn't fit: {misfit}; needs this model's "
                    f"{part.folder}/config.json in config:"
                )

    def _given(self, part: Part) -> Config | None:
        """A component's config in the folder that the user named."""
        folder = self.config / part.folder if self.config else None
        return part.config(folder) if folder and (folder / "config.json").is_file() else None

    def _scheduler(self) -> dict[str, Any]:
        file = self.config / scheduler.FOLDER / scheduler.FILE if self.config else None
        return read_object(file) if file and file.is_file() else {}

    def outline(self, out: Path) -> None:
        """Writes the folder as far as it is known without the weights."""
        shapes = {} if self.file.suffix in PICKLED else read_header(self.file).shapes
        configs = {part.name: self._given(part) or fitting(part.name, shapes)[1] for part in FAMILY.parts}
        outline.write_configs(out, FAMILY, configs)
        outline.write_scheduler(out, self._scheduler() or SCHEDULER)
        if self.config and (self.config / outline.TOKENIZER).is_dir():
            outline.take_tokenizer(out, self.config)
        outline.note(out, str(self.file), [])

    def weights(self, out: Path, tick: Tick) -> None:
        """Writes the weights beside the configs in ``out``, as diffusers converts them."""
        from safetensors.torch import save_file

        pickled = self.file.suffix in PICKLED
        checkpoint = load_pickled([self.file]) if pickled else load_tensors([self.file])
        if pickled:
            shapes = {name: tuple(value.shape) for name, value in checkpoint.items()}
            if wrong := not_a_checkpoint(shapes) or next(self._misfits(Tensors(shapes, {})), None):
                raise InputError(wrong if wrong.startswith(str(self.file)) else f"{self.file}: {wrong}")
        for done, part in enumerate(FAMILY.parts, 1):
            try:
                tensors = _converted(part.cls, checkpoint, out, part.folder)
            except Exception as error:  # of any kind: it wasn't written for files that it doesn't know
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise RunError(f"{self.file}: {part.label}: diffusers can't convert it ({reason})") from error
            save_file(
                {name: value.contiguous() for name, value in tensors.items()},
                out / part.folder / f"{part.stem}.safetensors",
                {"format": "pt"},
            )
            tick(done, part.label)


def _converted(cls: str, checkpoint: dict[str, Any], out: Path, folder: str) -> dict[str, Any]:
    """The state of one network, by diffusers' own loader of single files, from nothing but local files."""
    import diffusers
    import transformers
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm

    given = {"config": str(out), "subfolder": folder, "local_files_only": True}
    if hasattr(diffusers, cls):
        net = getattr(diffusers, cls).from_single_file(dict(checkpoint), **given)
    else:
        net = create_diffusers_clip_model_from_ldm(getattr(transformers, cls), dict(checkpoint), **given)
    state: dict[str, Any] = net.state_dict()
    return state
