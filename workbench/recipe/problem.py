"""What a check finds."""

from __future__ import annotations

from workbench.recipe.yaml_lines import Place

Problem = tuple[Place, str]
"""Where in the recipe, and what is wrong there."""
