"""Same-seed pictures of all candidates as data URIs that fit into what is left of the page's size."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from workbench.report.data import RunData

AS_IS_PX = 128
"""Pictures up to this width are embedded as they are, larger ones as JPEG of THUMB_PX."""
THUMB_PX = 192


@dataclass(frozen=True)
class Pictures:
    """``rows``: (prompt, one data URI or None per candidate). ``left_out``: rows that the page had no room for."""

    rows: list[tuple[str, list[str | None]]]
    left_out: int
    shrunk: bool


def gather(run: RunData, shown: int, budget: int) -> Pictures:
    """The first ``shown`` pictures with different prompts, as many as fit into ``budget`` bytes of HTML."""
    names = [c.name for c in run.candidates]
    first = next((run.scores[n] for n in names if (run.scores.get(n) or {}).get("pictures")), {})
    prompts = list(first.get("prompts") or [])
    picked = list({prompt: i for i, prompt in reversed(list(enumerate(prompts)))}.values())
    rows: list[tuple[str, list[str | None]]] = []
    used, shrunk = 0, False
    chosen = sorted(picked)[:shown]
    for index in chosen:
        uris: list[str | None] = []
        for name in names:
            uri, smaller = _uri(run, name, index)
            uris.append(uri)
            shrunk = shrunk or smaller
        used += sum(len(u) + 200 for u in uris if u) + 200
        if used > budget:
            break
        if any(uris):
            rows.append((prompts[index], uris))
    return Pictures(rows, len(chosen) - len(rows), shrunk)


def _uri(run: RunData, name: str, index: int) -> tuple[str | None, bool]:
    files = (run.scores.get(name) or {}).get("pictures") or []
    folder = run.pictures.get(name)
    if folder is None or index >= len(files):
        return None, False
    file = Path(folder) / Path(files[index]).name
    return _encode(file) if file.is_file() else (None, False)


def _encode(file: Path) -> tuple[str, bool]:
    from PIL import Image

    data, kind, shrunk = file.read_bytes(), "png", False
    with Image.open(io.BytesIO(data)) as picture:
        if picture.width > AS_IS_PX or picture.format != "PNG":
            shrunk = picture.width > AS_IS_PX
            small = picture.convert("RGB")
            small.thumbnail((THUMB_PX, THUMB_PX))
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=85)
            data, kind = buffer.getvalue(), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}", shrunk
