"""From pydantic's errors to sentences: which key, what was found there, what would do, what was meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from workbench.errors import did_you_mean
from workbench.recipe.yaml_lines import Place, cut

_NEEDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "none": "null",
}
_BOUNDS = {
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number ≥ {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number ≤ {le}",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "string_pattern_mismatch": "text that matches {pattern}",
    "literal_error": "{expected}",
}


def grouped(errors: list[ErrorDetails], data: Any) -> dict[Place, list[ErrorDetails]]:
    """The errors by their place in ``data``: a union's several complaints go together."""
    by_place: dict[Place, list[ErrorDetails]] = {}
    for error in errors:
        by_place.setdefault(_place(error, data), []).append(error)
    return by_place


def _place(error: ErrorDetails, data: Any) -> Place:
    """The error's place in the data: pydantic's, without the names that it gives a union's members."""
    place: list[str | int] = []
    for part in error["loc"]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            if error["type"] != "missing" or part != error["loc"][-1]:
                continue
        place.append(part)
    return tuple(place)


def sentence(place: Place, errors: list[ErrorDetails], data: Any, model: type[BaseModel]) -> str:
    """What is wrong at a place of ``data``, by all errors there."""
    kinds = {error["type"] for error in errors}
    if "extra_forbidden" in kinds:
        return _unknown(place, model)
    if "missing" in kinds:
        about = _description(place, model)
        return f"missing; it is needed ({about.rstrip('.')})" if about else "missing; it is needed"
    value = at(data, place)
    if "value_error" in kinds:
        message = next(str(e["ctx"]["error"]) for e in errors if e["type"] == "value_error")
        return f"found {show(value)}; {message}"
    needs = " or ".join(dict.fromkeys(_need(error) for error in errors))
    choices = [
        word for error in errors for word in re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    ]
    meant = did_you_mean(value, choices) if isinstance(value, str) else ""
    if isinstance(value, str) and any(value in _fields(m) for m in _models_at(model, place)):
        meant = f"; did you mean '{value}: {{}}'?"  # a step's bare name, without the colon
    return f"found {show(value)}; needs {needs}{meant}"


def _need(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in _BOUNDS:
        context = {k: f"{v:g}" if isinstance(v, float) else v for k, v in error.get("ctx", {}).items()}
        return _BOUNDS[kind].format(**context)
    base = kind.removesuffix("_type").removesuffix("_parsing")
    return _NEEDS.get(base) or error["msg"][0].lower() + error["msg"][1:]


def _unknown(place: Place, model: type[BaseModel]) -> str:
    """An unknown key: the nearest of the known ones, or the place where such a key belongs."""
    key = str(place[-1])
    known = [name for m in _models_at(model, place[:-1]) for name in _fields(m)]
    elsewhere = [path for path in _paths(model) if path.split(".")[-1] == key]
    meant = did_you_mean(key, known) or "".join(f"; did you mean {path}?" for path in elsewhere[:1])
    return f"unknown key; known here: {', '.join(known)}{meant}"


def _description(place: Place, model: type[BaseModel]) -> str | None:
    for parent in _models_at(model, place[:-1]):
        field = _fields(parent).get(str(place[-1]))
        if field is not None:
            return field.description
    return None


def _models_at(model: type[BaseModel], place: Place) -> list[type[BaseModel]]:
    """The models that may stand at a place of the schema."""
    here = [model]
    for part in place:
        if isinstance(part, str):
            fields = [_fields(m)[part] for m in here if part in _fields(m)]
            here = [inner for field in fields for inner in _models_in(field.annotation)]
    return here


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the names under which a recipe knows them: ``from``, not ``from_``."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _paths(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of the schema, as a dotted path."""
    for name, field in _fields(model).items():
        yield f"{prefix}{name}"
        for inner in _models_in(field.annotation):
            yield from _paths(inner, f"{prefix}{name}.")


def at(data: Any, place: Place) -> Any:
    """What lies at a place of plain data."""
    for part in place:
        data = data[part]
    return data


def show(value: Any) -> str:
    """A value as a reader of the recipe would recognise it, cut to a line."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        text = f"the text {value!r}"
    elif isinstance(value, Mapping):
        text = f"a mapping of {', '.join(map(str, value))}" if value else "an empty mapping"
    elif isinstance(value, list):
        text = f"the list {json.dumps(value, ensure_ascii=False)}"
    else:
        text = json.dumps(value)
    return cut(text)
