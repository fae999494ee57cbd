"""Same-seed pictures of all candidates as data URIs that fit into what is left of the page's size."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.report.data import RunData
from workbench.report.ranking.rank import Ranking
from workbench.report.sections.registry import Section

AS_IS_PX = 128
"""Pictures up to this width are embedded as they are, larger ones as JPEG of THUMB_PX."""
THUMB_PX = 192


@dataclass(frozen=True)
class Pictures:
    """``rows``: (prompt, one data URI or None per candidate). ``left_out``: rows that the page had no room for."""

    rows: Sequence[tuple[str, Sequence[str | None]]]
    shrunk: bool
    few_steps: bool
    left_out: int = 0


def gather(run: RunData, ranking: Ranking) -> Pictures | None:
    """The first pictures with different prompts, as many as the recipe shows."""
    names = [c.name for c in run.candidates]
    prompts = next((scores["prompts"] for n in names if (scores := run.scores.get(n))), [])
    picked = sorted({prompt: i for i, prompt in reversed(list(enumerate(prompts)))}.values())
    found = [(prompts[i], [_uri(run, name, i) for name in names]) for i in picked[: run.recipe.evaluate.shown]]
    rows = [(prompt, [uri for uri, _ in own]) for prompt, own in found if any(uri for uri, _ in own)]
    shrunk = any(smaller for _, own in found for _, smaller in own)
    return Pictures(rows, shrunk, few_steps=any(c.steps for c in run.candidates)) if rows else None


def fit(pictures: Pictures, room: int) -> Pictures | None:
    """As many rows as go into ``room`` bytes of HTML."""
    used, kept = 0, 0
    for _, uris in pictures.rows:
        used += sum(len(uri) + 200 for uri in uris if uri) + 200
        kept += used <= room
    return replace(pictures, rows=pictures.rows[:kept], left_out=len(pictures.rows) - kept) if kept else None


def _uri(run: RunData, name: str, index: int) -> tuple[str | None, bool]:
    scores, folder = run.scores.get(name), run.pictures.get(name)
    if folder is None or scores is None or index >= len(scores["pictures"]):
        return None, False
    file = Path(folder) / Path(scores["pictures"][index]).name
    return encode(file) if file.is_file() else (None, False)


def encode(file: Path) -> tuple[str, bool]:
    """A picture as a data URI, and whether it was made smaller."""
    from PIL import Image

    from workbench.data.pictures import FORMATS

    data, kind, shrunk = file.read_bytes(), "png", False
    with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
        if picture.width > AS_IS_PX or picture.format != "PNG":
            shrunk = picture.width > AS_IS_PX
            small = picture.convert("RGB")
            small.thumbnail((THUMB_PX, THUMB_PX))
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=85)
            data, kind = buffer.getvalue(), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}", shrunk


SECTION = Section(__name__, "Pictures from the same seeds", 50, gather, link="Pictures", fit=fit)
