"""YAML read safely and strictly, with the place of every key: plain data in, no tags, no anchors, no duplicate keys.

Scalars follow YAML 1.2's core schema, so that ``1e-4`` is a number and ``on`` is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from workbench.errors import InputError

Place = tuple[str | int, ...]
"""Keys and list positions from the top down: ``("steps", 1, "distill")``."""
Problem = tuple[Place, str]
"""Where in the recipe, and what is wrong there."""
DEPTH = 32
"""Levels of nesting that are read; the deepest key of a recipe lies at 8."""

_PLAIN = "tag:yaml.org,2002:"
_KEY = re.compile(r"\s*(?:-\s+)*([\w.-]+)\s*:")


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's scalars and without anchors."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own shape

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event, what = self.peek_event(), None
        if getattr(event, "anchor", None):
            what = "anchors and aliases aren't read; write the value out"
        elif self.depth == DEPTH:
            what = f"nested more than {DEPTH} levels deep"
        if what:
            raise yaml.MarkedYAMLError(problem=what, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Loader.add_implicit_resolver(_PLAIN + _tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def parse(text: str, name: str, marks: dict[Place, int] | None = None) -> Any:
    """The data in ``text``; ``marks`` is filled with the line (from 1) of every key and list item.

    Raises:
        InputError: tab in the indentation, bad YAML, duplicate key, tag, anchor; the message starts with ``name:line``.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line[: len(line) - len(line.lstrip())]:
            raise InputError(f"{name}:{number}: {_key_on(line)}found a tab in the indentation; needs spaces")
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return None if node is None else _Reader(loader, name, {} if marks is None else marks).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context_mark and mark and mark.line >= len(text.splitlines()):
            mark = error.context_mark  # where the thing began that the end of the file cut short
        number = mark.line + 1 if mark else 1
        near = text.splitlines()[number - 1 : number] or [""]
        what = error.problem or error.context
        raise InputError(f"{name}:{number}: {_key_on(near[0])}not valid YAML: {what}") from None
    except yaml.reader.ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        raise InputError(
            f"{name}:{number}: not valid YAML: found the unprintable character {chr(error.character)!r}"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _key_on(line: str) -> str:
    match = _KEY.match(line)
    return f"{cut(match[1])}: " if match else ""


class _Reader:
    """From nodes to plain data."""

    def __init__(self, loader: _Loader, name: str, marks: dict[Place, int]) -> None:
        self.loader, self.name, self.marks = loader, name, marks

    def value(self, node: yaml.Node, place: Place) -> Any:
        """The plain value of ``node``."""
        kinds: dict[type[yaml.Node], tuple[str, Callable[[Any, Place], Any]]] = {
            yaml.MappingNode: ("map", self._mapping),
            yaml.SequenceNode: ("seq", self._sequence),
        }
        if type(node) in kinds:
            tag, read = kinds[type(node)]
            if node.tag != _PLAIN + tag:
                self._refuse_tag(node, place)
            return read(node, place)
        if node.tag not in [_PLAIN + tag for tag in ("str", "int", "float", "bool", "null")]:
            self._refuse_tag(node, place)
        try:
            value = self.loader.construct_object(node)
            if isinstance(value, str):
                value.encode()
        except UnicodeEncodeError:
            what = "half of a surrogate pair; needs characters of Unicode"
            raise InputError(f"{self._at(node, place)}found {cut(ascii(node.value))}, {what}") from None
        except ValueError:
            raise InputError(f"{self._at(node, place)}found {cut(node.value)}; needs a shorter number") from None
        if isinstance(value, int) and value.bit_length() > 63:
            raise InputError(f"{self._at(node, place)}found {cut(node.value)}; needs a shorter number")
        if isinstance(value, str) and "\0" in value:
            raise InputError(f"{self._at(node, place)}found {cut(ascii(value))}; needs text without the character NUL")
        return value

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag != _PLAIN + "str" or not isinstance(key_node.value, str):
                shown = key_node.value if isinstance(key_node.value, str) else "a list or mapping"
                raise InputError(f"{self._at(key_node, place)}found {cut(shown)} as a key; needs text")
            key = self.value(key_node, place)
            here = (*place, key)
            if key in result:
                first = self.marks[here]
                raise InputError(f"{self._at(key_node, here)}found twice, first on line {first}; keep one of them")
            self.marks[here] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, here)
        return result

    def _sequence(self, node: yaml.SequenceNode, place: Place) -> list[Any]:
        result = []
        for index, item in enumerate(node.value):
            self.marks[(*place, index)] = item.start_mark.line + 1
            result.append(self.value(item, (*place, index)))
        return result

    def _refuse_tag(self, node: yaml.Node, place: Place) -> None:
        raise InputError(
            f"{self._at(node, place)}found the tag {cut(node.tag)}; needs plain text, numbers, lists and mappings"
        )

    def _at(self, node: yaml.Node, place: Place) -> str:
        return f"{self.name}:{node.start_mark.line + 1}: " + (f"{dotted(place)}: " if place else "")


def dotted(place: Place) -> str:
    """``steps.1.distill.steps``."""
    return ".".join(cut(str(part)) for part in place)


def cut(text: str) -> str:
    """The text, short enough for a line of a message."""
    return text if len(text) <= 80 else f"{text[:79]}…"
