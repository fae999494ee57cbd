"""Configs against the values that they may have, and what is wrong with one, a sentence for each entry."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.models.weights import Shape


class Checked(BaseModel):
    """The entries of a config that are read, with JSON's own types: no text for a number, no 4.0 for 4."""

    model_config = ConfigDict(strict=True, frozen=True)


class NetworkConfig(Checked, ABC):
    """The config of a network, which says what tensors it has."""

    @abstractmethod
    def tensors(self) -> dict[str, Shape]:
        """Their shapes by name."""


def problems_of(schema: type[Checked], config: Mapping[str, Any]) -> list[str]:
    """What is wrong with a config."""
    try:
        schema.model_validate(config)
    except ValidationError as error:
        return list(dict.fromkeys(_sentences(error, config)))
    return []


def _sentences(error: ValidationError, config: Mapping[str, Any]) -> Iterator[str]:
    errors = error.errors()
    if lacking := [str(e["loc"][0]) for e in errors if e["type"] == "missing"]:
        yield f"lacks {', '.join(lacking)}"
        return
    entries: dict[str, str] = {}
    for e in errors:
        if not e["loc"]:
            yield str(e["ctx"]["error"])
        else:  # a union has a complaint of each of its types
            message = str(e["ctx"]["error"]) if e["type"] == "value_error" else e["msg"]
            entries.setdefault(str(e["loc"][0]), message.replace("Input should", "should").replace("None", "null"))
    for entry, message in entries.items():
        value = json.dumps(config[entry])
        yield f"{entry}: found {value if len(value) <= 60 else f'{value[:59]}…'}; {message}"
