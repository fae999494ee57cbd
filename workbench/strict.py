"""What everything in a recipe is parsed into: the base class, names, and paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    create_model,
    model_validator,
)


class Strict(BaseModel):
    """Unknown keys are refused, values are not coerced, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class OneKey(Strict):
    """A mapping with one key, which says what kind of thing its value configures; the fields are the kinds."""

    _what: ClassVar[str]
    """What it is, in an error."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._named()) != 1:
            raise ValueError(f"{self._what} is a mapping with one key, one of {', '.join(type(self).model_fields)}")
        return self

    def _named(self) -> list[str]:
        return [key for key in type(self).model_fields if getattr(self, key) is not None]

    @property
    def kind(self) -> str:
        """The key, such as ``distill``."""
        return self._named()[0]


def one_of(kinds: Mapping[str, type[BaseModel]], base: type[OneKey], name: str) -> Any:
    """A class below ``base`` with a field for each of the ``kinds``."""
    fields: Any = {kind: (config | None, Field(None, description=config.__doc__)) for kind, config in kinds.items()}
    return create_model(name, __base__=base, **fields)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""A name that becomes a part of file names, which most file systems end at 255 bytes."""


_LONGEST_NAME = 255
"""Bytes of a file's or folder's name on most file systems."""


def _placed(text: str, info: ValidationInfo) -> str:
    if any(len(part.encode(errors="replace")) > _LONGEST_NAME for part in PurePath(text).parts):
        raise ValueError(f"needs names of files and folders of at most {_LONGEST_NAME} bytes")
    if info.context is None or text == "demo" or text.startswith(("demo:", "hub:", "arch:")):
        return text
    place: Callable[[Path], Path] = info.context
    return str(place(Path(text)))


PathOrName = Annotated[str, PlainSerializer(lambda text: PurePath(text).name, str, when_used="json")]
"""A path, or the name of something. In JSON, which keys are made of, it is the path's last part: what lies there has a
key of its own."""
RecipePath = Annotated[PathOrName, Field(max_length=4096), AfterValidator(_placed)]
"""A path, or a word such as ``demo``. The context of validation, a function of the path, puts it into its folder."""
