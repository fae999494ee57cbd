"""Whether a client draws a release's pictures as the run drew them: in a process of its own, without this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from workbench.errors import InputError, RunError
from workbench.progress import Progress
from workbench.release import draw
from workbench.release.layouts.base import Layout
from workbench.release.pictures import Pictures

LEAST_DB = 30.0
"""PSNR below which a client draws something else: pictures of another seed have about 10."""
MOST_DB = 40.0
"""No more is asked of another machine, even where this one's pictures agree better: its kernels round otherwise."""
MARGIN_DB = 3.0
"""What pictures of another machine may lie below those of this one."""
OUTSIDE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Nothing is fetched, nothing reported."""


class Agreement(TypedDict):
    """``apart_db`` of each picture against the run's own, None where they are equal to the bit.

    ``client``: versions of the libraries that drew. ``floor_db``: what is asked of every picture that isn't equal.
    """

    client: Mapping[str, str]
    n: int
    equal: int
    apart_db: Sequence[float | None]
    floor_db: float


class Missing(InputError):
    """The client isn't installed in the environment that was to draw."""


def agree(
    folder: Path,
    layout: Layout,
    pictures: Pictures,
    python: Path | None,
    progress: Progress,
    floor: float | None = None,
) -> Agreement:
    """Draws the stored pictures with the layout's client and compares.

    Args:
        python: of the environment that has the client; None: this one.
        floor: what was asked when it was shipped; None: it follows from what is seen now.

    Raises:
        Missing: that environment lacks the client.
        RunError: the client can't load the folder or can't draw.
    """
    import numpy as np
    from PIL import Image

    drawn, client = _drawn(folder, layout, len(pictures["drawn"]), python or Path(sys.executable), progress)
    stored = [np.asarray(Image.open(folder / one["file"], formats=["PNG"]).convert("RGB")) for one in pictures["drawn"]]
    found = [psnr_db(a, b) for a, b in zip(stored, drawn, strict=True)]
    apart = [value for value in found if value is not None]
    if floor is None:
        floor = max(LEAST_DB, min([MOST_DB, *(value - MARGIN_DB for value in apart)]))
    return {
        "client": client,
        "n": len(found),
        "equal": found.count(None),
        "apart_db": found,
        "floor_db": round(floor, 2),
    }


def psnr_db(stored: Any, drawn: Any) -> float | None:
    """Peak signal-to-noise ratio of uint8 pictures in dB; None where they are equal, 0 where the shapes differ."""
    import numpy as np

    if stored.shape != drawn.shape:
        return 0.0
    error = float(np.mean((stored.astype(np.float64) - drawn) ** 2))
    return round(10 * float(np.log10(255**2 / error)), 2) if error else None


def differing(agreement: Agreement, pictures: Pictures) -> list[str]:
    """A sentence for each picture that isn't what is asked, naming its file."""
    floor = agreement["floor_db"]
    return [
        f"{one['file']}: drawn anew it has {db:.1f} dB against the stored one; needs {floor:.1f}, or all equal"
        for one, db in zip(pictures["drawn"], agreement["apart_db"], strict=True)
        if db is not None and db < floor
    ]


def _drawn(folder: Path, layout: Layout, count: int, python: Path, progress: Progress) -> tuple[Any, Mapping[str, str]]:
    import numpy as np

    with tempfile.TemporaryDirectory() as place:
        out, log = Path(place) / "drawn.npy", Path(place) / "said"
        command = [str(python), "-I", draw.__file__, str(layout.client), str(folder), str(out), *layout.distributions]
        with log.open("w") as said:
            try:
                child = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=said, text=True, env={**os.environ, **OUTSIDE}
                )
            except OSError as error:
                raise InputError(f"--python: {python}: can't be run ({error.strerror})") from None
            with child, progress(f"draw {count} pictures with {layout.title}", count) as tick:
                assert child.stdout is not None
                for line in child.stdout:
                    if line.startswith(draw.SAID):
                        tick(int(line.removeprefix(draw.SAID)))
        if child.returncode == draw.LACKING:
            raise Missing(
                f"{python}: can't import the client of this layout, {layout.title}: {_last(log)}",
                hint=f"{layout.install}, or name another environment's Python with --python",
            )
        if child.returncode:
            raise RunError(f"{folder}: {layout.title} can't draw with it: {_last(log)}")
        return np.load(out), json.loads(out.with_suffix(".json").read_text())


def _last(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"
