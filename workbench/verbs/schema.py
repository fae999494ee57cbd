"""``workbench schema``: what a recipe may say, for editors."""

from __future__ import annotations

from typing import Any


def schema() -> dict[str, Any]:
    """The JSON Schema of recipes."""
    from workbench.recipe.schema import Recipe

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
