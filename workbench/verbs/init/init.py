"""``workbench init``: a recipe of one's own with comments, what an editor checks it by, and a policy for releases."""

from __future__ import annotations

import json
import os
from pathlib import Path

from workbench.errors import InputError
from workbench.store.files import unwritable, write_atomic
from workbench.verbs.schema import schema

SCHEMA, POLICY = "recipe.schema.json", "gate.yaml"
_TEMPLATE = Path(__file__).with_name("recipe.yaml")


def init(file: Path) -> list[Path]:
    """Writes a recipe to ``file``, named after it, and beside it its JSON Schema and a policy of ``workbench gate``.

    Returns what was written: a policy that is there already stays, and so does the same schema.

    Raises:
        InputError: the file is there already, or another schema beside it, or it can't be written so.
    """
    _check(file)
    recipe = _TEMPLATE.read_text()
    for word, by in {"schema": SCHEMA, "name": file.stem, "file": file.name}.items():
        recipe = recipe.replace(f"{{{{{word}}}}}", by)
    beside = {SCHEMA: json.dumps(schema(), indent=1) + "\n", POLICY: _policy()}
    texts = {file: recipe, **{file.with_name(name): text for name, text in beside.items()}}
    missing = {path: text for path, text in texts.items() if not _there(path, text)}
    for path, text in missing.items():
        write_atomic(path, text)
    return list(missing)


def _check(file: Path) -> None:
    from pydantic import TypeAdapter, ValidationError

    from workbench.strict import Name

    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: found {file.suffix or 'no suffix'}; needs a name that ends in .yaml")
    if file.name == POLICY:
        raise InputError(f"{file}: that is the policy's name, which is written beside the recipe; name another file")
    try:
        TypeAdapter(Name).validate_python(file.stem)
    except ValidationError:
        what = "the recipe is named after it: needs letters, digits and _ . -, at most 100"
        raise InputError(f"{file}: found {file.stem!r}; {what}") from None
    if why := unwritable(file.parent):
        raise InputError(f"{file.parent}: {why}", hint="name a file in another folder")


def _there(path: Path, text: str) -> bool:
    """Whether the file is there as it would be written, or as its user has made it.

    Raises:
        InputError: another is.
    """
    if not os.path.lexists(path):
        return False
    if path.name == POLICY:
        return True
    if path.name == SCHEMA and path.is_file() and path.read_text(errors="replace") == text:
        return True
    how = "move it away: it is of another version" if path.name == SCHEMA else "name another file"
    raise InputError(f"{path}: is there already, and nothing is overwritten", hint=how)


def _policy() -> str:
    """All keys with their defaults and what they mean."""
    from workbench.verbs.gate.policy import Policy

    values = Policy().model_dump(mode="json")
    rows = [(f"{key}: {json.dumps(value)}", Policy.model_fields[key].description) for key, value in values.items()]
    width = max(len(row) for row, _ in rows)
    head = f"# How much worse a release may be than the one before: workbench gate NEW --against OLD --policy {POLICY}"
    return "\n".join([head, *(f"{row:{width}}  # {said}" for row, said in rows), ""])
