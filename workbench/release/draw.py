"""Draws the stored pictures of a shipped folder anew, by a layout's ``client.py``: run as a file, without workbench.

``python -I draw.py CLIENT FOLDER OUT DISTRIBUTION…`` writes ``OUT``, an array uint8 [N, H, W, 3], and beside it the
versions of the client's distributions as JSON. Any environment that has the client will do. A client has ``pipeline``,
for what is called as diffusers' pipelines are, or draws by itself: ``pictures``.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAID = "drawn: "
"""A line of this and a number is printed after each picture."""
LACKING = 3
"""Exit code where a library of the client can't be imported."""


@dataclass(frozen=True)
class Drawing:
    """One picture: its prompt, and the noise that it starts from, float32 [1, C, h, w].

    ``later_seed``: of the noise between steps, which schedulers of few steps add.
    """

    prompt: str
    steps: int
    guidance_scale: float
    noise: Any
    later_seed: int


def drawings(folder: Path) -> list[Drawing]:
    """What the manifest lists; noise follows from the seed and the picture's index, as it says."""
    import numpy as np

    stored = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["pictures"]

    def rng(*seed: int) -> Any:
        return np.random.default_rng([stored["seed"], *seed])

    return [
        Drawing(
            one["prompt"],
            stored["steps"],
            stored["guidance_scale"],
            rng(one["index"]).standard_normal((1, *stored["latent"]), dtype=np.float32),
            int(rng(one["index"], 1).integers(2**63)),
        )
        for one in stored["drawn"]
    ]


def drawn(pipeline: Any, asked: Sequence[Drawing]) -> Iterator[Any]:
    """A picture float [H, W, 3] from 0 to 1 for each drawing, by a pipeline that is called as diffusers' are."""
    import torch

    pipeline.set_progress_bar_config(disable=True)
    for drawing in asked:
        yield pipeline(
            drawing.prompt,
            num_inference_steps=drawing.steps,
            guidance_scale=drawing.guidance_scale,
            latents=torch.from_numpy(drawing.noise),
            generator=torch.Generator().manual_seed(drawing.later_seed),
            output_type="np",
        ).images[0]


def main(client: Path, folder: Path, out: Path, *distributions: str) -> None:
    """Draws all of them and writes them to ``out``."""
    import numpy as np

    sys.modules.setdefault("openvino_telemetry", types.ModuleType("openvino_telemetry"))  # it would report the import
    spec = importlib.util.spec_from_file_location("client", client)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = getattr(module, "pictures", None)
    asked = drawings(folder)
    pictures = []
    for picture in own(folder, asked) if own else drawn(module.pipeline(folder), asked):
        values = np.asarray(picture)
        whole = values.dtype == np.uint8
        pictures.append(values if whole else (np.clip(values, 0, 1) * 255).round().astype(np.uint8))
        print(f"{SAID}{len(pictures)}", flush=True)
    np.save(out, np.stack(pictures))
    versions = {name: importlib.metadata.version(name) for name in distributions}
    out.with_suffix(".json").write_text(json.dumps(versions))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(LACKING)
