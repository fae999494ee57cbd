"""What everything in a recipe is parsed into: the base class, names, and paths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationInfo


class Strict(BaseModel):
    """Unknown keys are refused, values are not coerced, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
"""A name that becomes a part of file names, which most file systems end at 255 bytes."""


_LONGEST_NAME = 255
"""Bytes of a file's or folder's name on most file systems."""


def _placed(text: str, info: ValidationInfo) -> str:
    if any(len(part.encode(errors="replace")) > _LONGEST_NAME for part in PurePath(text).parts):
        raise ValueError(f"needs names of files and folders of at most {_LONGEST_NAME} bytes")
    if info.context is None or text == "demo" or text.startswith(("demo:", "hub:")):
        return text
    place: Callable[[Path], Path] = info.context
    return str(place(Path(text)))


PathOrName = Annotated[str, PlainSerializer(lambda text: PurePath(text).name, str, when_used="json")]
"""A path, or the name of something. In JSON, which keys are made of, it is the path's last part: what lies there has a
key of its own."""
RecipePath = Annotated[PathOrName, Field(max_length=4096), AfterValidator(_placed)]
"""A path, or a word such as ``demo``. The context of validation, a function of the path, puts it into its folder."""
