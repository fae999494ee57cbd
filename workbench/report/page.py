"""What all pages share: one template engine, and a file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.report import sections
from workbench.report.plain import by_key, plain

TEMPLATES = Path(__file__).parent / "templates"


def fill(template: str, **values: Any) -> str:
    """A page as a string, ``values`` escaped; templates are found in ``templates`` and in the folders of sections."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([TEMPLATES, *sections.__path__]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"by_key": by_key, "plain": plain}
    return environment.get_template(template).render(**values)
