"""Data sets in a recipe: each is made from a folder, from earlier sets, or drawn by a teacher, then improved.

The operations are those of EdgeFusion's data (arXiv 2404.11925, section 3.2). Within an entry their order is
deduplicate, min_side, crop, captions, curate; another order takes two entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from workbench.strict import Name, PathOrName, RecipePath, Strict

DEMO, DATA = "demo", "data"
"""What ``from`` can name as well as sets and folders: the embedded pictures, and the recipe's own."""
Texts = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class Deduplicate(Strict):
    """Of pictures that look alike only the largest is kept; a training picture like a held-out one is dropped."""

    distance: int = Field(4, ge=0, le=32, description="Perceptual hashes of 64 bits that differ in at most so many.")
    colour: float = Field(
        5.0,
        ge=0,
        le=255,
        description="… and thumbnails of 8 x 8 whose mean levels differ by at most this in every colour channel.",
    )


class Captions(Strict):
    """New captions: a template around the old one, or a file with a caption for each picture."""

    template: str | Texts | None = Field(None, description='Such as "a picture of {}"; of several, one by seed.')
    file: RecipePath | None = Field(None, description='JSON lines: {"file_name": "x.png", "text": "…"}.')

    @field_validator("template")
    @classmethod
    def _one_placeholder(cls, template: str | list[str] | None) -> str | list[str] | None:
        for text in [template] if isinstance(template, str) else template or []:
            if _fields(text) != [""]:
                raise ValueError(f"found {text!r}; needs {{}} once, where the old caption goes")
        return template

    @model_validator(mode="after")
    def _exactly_one(self) -> Captions:
        if (self.template is None) == (self.file is None):
            raise ValueError("needs one of template and file")
        return self

    def templates(self) -> list[str]:
        """All templates; none if the captions come from a file."""
        return [self.template] if isinstance(self.template, str) else list(self.template or [])


class Prompts(Strict):
    """Prompts from templates and the words that go into them, or the captions of another set."""

    templates: Texts | None = Field(None, description='Such as "a {thing} on a {colour} background".')
    words: dict[str, RecipePath | Texts] = Field(
        default_factory=dict, description="For each name in a template a list of words, or a text file, one a line."
    )
    captions_of: str | None = Field(None, description="An earlier data set, whose training captions are the prompts.")

    @model_validator(mode="after")
    def _consistent(self) -> Prompts:
        if (self.templates is None) == (self.captions_of is None):
            raise ValueError("needs one of templates and captions_of")
        used: set[str] = set()
        for template in self.templates or []:
            fields = _fields(template)
            if not fields or not all(name.isidentifier() for name in fields):
                raise ValueError(
                    f'found {template!r}; needs names in braces, such as "a {{thing}}", and words for them'
                )
            used |= set(fields)
        if used != set(self.words):
            missing, idle = sorted(used - set(self.words)), sorted(set(self.words) - used)
            problems = [f"no words for {', '.join(missing)}"] if missing else []
            problems += [f"no template with {', '.join(idle)}"] if idle else []
            raise ValueError(f"words: {'; '.join(problems)}")
        return self


class Synthesize(Strict):
    """Pictures that a teacher draws for prompts; the pairs are new training rows."""

    prompts: RecipePath | Prompts = Field(description="A file, one prompt a line; or templates; or captions_of a set.")
    count: int | None = Field(
        None, ge=1, le=1_000_000, description="Pictures; default: one a prompt. More than prompts: each several times."
    )
    steps: int = Field(10, ge=1, le=1000, description="Denoising steps.")
    guidance_scale: float = Field(3.0, ge=1.0, le=50.0)
    from_: str = Field("base", alias="from", min_length=1, description="Who draws: base, or another teacher.")


class Curate(Strict):
    """Only the pairs that the scorer finds best: a share of them, or all that reach a score."""

    keep: float | None = Field(None, gt=0, le=1, description="Share of the training pairs that stays.")
    least: float | None = Field(None, ge=-1, le=1, description="Least alignment score (cosine) that stays.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Curate:
        if (self.keep is None) == (self.least is None):
            raise ValueError("needs one of keep and least")
        return self


class DataSet(Strict):
    """A set of captioned pictures: where it comes from (``from``, ``join`` or ``synthesize``), and what is done to it.

    Only rows of the split ``train`` are altered or dropped; all others pass as they are, so that evaluation on them
    stays comparable from set to set.
    """

    name: Name = Field(description="Other data sets and steps name it.")
    from_: PathOrName | None = Field(
        None,
        alias="from",
        description="An earlier data set, data (the recipe's own pictures), demo, or captioned pictures.",
    )
    join: list[str] | None = Field(None, min_length=2, description="Earlier data sets that are put together.")
    synthesize: Synthesize | None = None
    deduplicate: Deduplicate | None = None
    min_side: int | None = Field(
        None, ge=1, le=100_000, description="Pixels; pictures with a shorter side are dropped."
    )
    crop: Literal["best_of_3", "centre"] | None = Field(
        None,
        description="To a square: the centre, or the one the scorer prefers of centre and both ends of the long side.",
    )
    captions: Captions | None = None
    curate: Curate | None = None

    @model_validator(mode="after")
    def _one_source(self) -> DataSet:
        if sum(source is not None for source in (self.from_, self.join, self.synthesize)) != 1:
            raise ValueError("needs one of from, join and synthesize")
        return self

    @property
    def needs_scorer(self) -> bool:
        """Whether the set can't be made with a model without a scorer."""
        return self.crop == "best_of_3" or self.curate is not None

    @property
    def teacher(self) -> str | None:
        """Who draws, or None if nothing is drawn."""
        return self.synthesize.from_ if self.synthesize else None

    def references(self) -> dict[tuple[str | int, ...], str]:
        """Values that can name another set, by their location in this one."""
        names: dict[tuple[str | int, ...], str] = {} if self.from_ is None else {("from",): self.from_}
        names |= {("join", i): name for i, name in enumerate(self.join or [])}
        if self.synthesize and isinstance(self.synthesize.prompts, Prompts) and self.synthesize.prompts.captions_of:
            names[("synthesize", "prompts", "captions_of")] = self.synthesize.prompts.captions_of
        return names

    def files(self) -> Mapping[tuple[str | int, ...], Path]:
        """Files that the set reads as well as pictures, by their location in it; their contents are part of its key."""
        files: dict[tuple[str | int, ...], Path] = {}
        if self.captions and self.captions.file is not None:
            files[("captions", "file")] = Path(self.captions.file)
        if self.synthesize and isinstance(self.synthesize.prompts, str):
            files[("synthesize", "prompts")] = Path(self.synthesize.prompts)
        if self.synthesize and isinstance(self.synthesize.prompts, Prompts):
            for name, words in self.synthesize.prompts.words.items():
                if isinstance(words, str):
                    files[("synthesize", "prompts", "words", name)] = Path(words)
        return files


def _fields(template: str) -> list[str]:
    """The fields of a template; one with a format or a conversion isn't a plain name."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise ValueError(f"found {template!r}, whose braces don't match") from None
    return [
        name if not (spec or conversion) else f"{name}!{conversion}:{spec}"
        for _, name, spec, conversion in parts
        if name is not None
    ]
