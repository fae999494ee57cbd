"""``workbench init``: a recipe of one's own with comments, and what an editor checks it by."""

from __future__ import annotations

import json
import os
from pathlib import Path

from workbench.errors import InputError
from workbench.store.files import unwritable, write_atomic
from workbench.verbs.schema import schema

SCHEMA = "recipe.schema.json"
_TEMPLATE = Path(__file__).with_name("recipe.yaml")


def init(file: Path) -> list[Path]:
    """Writes a recipe to ``file``, named after it, and its JSON Schema beside it; returns what was written.

    Raises:
        InputError: the file is there already, or another schema beside it, or it can't be written so.
    """
    _check(file)
    recipe = _TEMPLATE.read_text()
    for word, by in {"schema": SCHEMA, "name": file.stem, "file": file.name}.items():
        recipe = recipe.replace(f"{{{{{word}}}}}", by)
    texts = {file: recipe, file.with_name(SCHEMA): json.dumps(schema(), indent=1) + "\n"}
    missing = {path: text for path, text in texts.items() if not _there(path, text)}
    for path, text in missing.items():
        write_atomic(path, text)
    return list(missing)


def _check(file: Path) -> None:
    from pydantic import TypeAdapter, ValidationError

    from workbench.strict import Name

    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: found {file.suffix or 'no suffix'}; needs a name that ends in .yaml")
    try:
        TypeAdapter(Name).validate_python(file.stem)
    except ValidationError:
        what = "the recipe is named after it: needs letters, digits and _ . -, at most 100"
        raise InputError(f"{file}: found {file.stem!r}; {what}") from None
    if why := unwritable(file.parent):
        raise InputError(f"{file.parent}: {why}", hint="name a file in another folder")


def _there(path: Path, text: str) -> bool:
    """Whether the file is there as it would be written.

    Raises:
        InputError: another is.
    """
    if not os.path.lexists(path):
        return False
    if path.name == SCHEMA and path.is_file() and path.read_text(errors="replace") == text:
        return True
    how = "move it away: it is of another version" if path.name == SCHEMA else "name another file"
    raise InputError(f"{path}: is there already, and nothing is overwritten", hint=how)
