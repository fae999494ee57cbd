"""The user's shapes and values of inputs by name, parsed and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.errors import InputError, unknown


def parse_values(entries: Iterable[str]) -> dict[str, float]:
    """``["sr=16000"]`` as numbers by input name; true and false are 1 and 0.

    Raises:
        InputError: an entry has another form.
    """
    values: dict[str, float] = {}
    for entry in entries:
        name, _, text = entry.rpartition("=")
        try:
            value = {"true": 1.0, "false": 0.0}.get(text.lower())
            value = float(text) if value is None else value
        except ValueError:
            name = ""
        if not name or value is None:
            raise InputError(f"--input {entry}: needs NAME=NUMBER, such as sr=16000")
        values[name] = value
    return values


def check_names(names: Iterable[str], inputs: Sequence[str], source: str) -> None:
    """Raises InputError for a name that isn't among the ``inputs`` of ``source``."""
    for name in names:
        if name not in inputs:
            raise unknown(f"{source}: has no input {name!r}", name, inputs, "its inputs")


def written(shape: Iterable[object]) -> str:
    """A shape as ``--shape`` takes it: ``1x4x64x64``; ``scalar`` without sides."""
    return "x".join(str(side) for side in shape) or "scalar"
