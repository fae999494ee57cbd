"""What all pages share: one template engine, and a file that needs nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.models.families import component_label
from workbench.report import sections
from workbench.report.data import kind_of
from workbench.report.format import big, capital, change, mega, megabytes, moved, number, percent, seconds, span, whole
from workbench.report.plain import by_key, plain

TEMPLATES = Path(__file__).parent / "templates"
FILTERS = (
    big,
    by_key,
    capital,
    change,
    component_label,
    kind_of,
    mega,
    megabytes,
    moved,
    number,
    percent,
    plain,
    seconds,
    span,
    whole,
)
"""What templates turn values into words with."""


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
    environment.filters |= {shown.__name__: shown for shown in FILTERS}
    page = _classed(environment.get_template(template).render(**values))
    for kind in ("style", "script"):
        blocks = re.findall(rf"<{kind}>(.*?)</{kind}>", page, flags=re.S)
        hashes = [f"'sha256-{b64encode(sha256(block.encode()).digest()).decode()}'" for block in blocks]
        page = page.replace(f"{kind}-src HASHES", " ".join([f"{kind}-src", *(hashes or ["'none'"])]), 1)
    return page


def _classed(page: str) -> str:
    """Style attributes as classes of the page's style sheet: its policy allows what has a listed hash, and no more.

    No value can look like a tag to this: ``<`` and ``"`` are escaped in them.
    """
    classes: dict[str, str] = {}

    def moved(tag: re.Match[str]) -> str:
        before, style, after = tag.groups()
        name = classes.setdefault(style.rstrip("; "), f"y{len(classes)}")
        rest, known = re.subn(r'(?<= class=")', f"{name} ", before + after, count=1)
        return rest if known else f'{before} class="{name}"{after}'

    page = re.sub(r'(<[a-z][^<>]*?) style="([^"<>]*)"([^<>]*>)', moved, page)
    rules = "\n".join(f".{name} {{ {style} }}" for style, name in classes.items())
    return page.replace("</style>", f"{rules}\n</style>", 1)
