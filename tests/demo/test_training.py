"""The demo's training stages run from raw pictures and leave a pipeline that loads; a few steps of each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.demo.make import make
from workbench.errors import InputError
from workbench.progress import quiet


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A folder like the npm package, with drawn squares in place of its pictures."""
    from importlib import resources

    import yaml

    root = tmp_path_factory.mktemp("package")
    folder = root / "img" / "google" / "64"
    folder.mkdir(parents=True)
    listed = yaml.safe_load(resources.files("workbench.demo").joinpath("concepts.yaml").read_text())
    rng, entries = np.random.default_rng(0), []
    for i, short in enumerate(short for group in listed.values() for short in group):
        picture = np.zeros((64, 64, 4), np.uint8)
        picture[8:56, 8:56] = (*rng.integers(0, 255, 3), 255)
        Image.fromarray(picture).save(folder / f"{i}.png")
        entries.append({"short_names": [short], "image": f"{i}.png"})
    (root / "emoji.json").write_text(json.dumps(entries))
    return root


@pytest.mark.long
def test_a_few_steps_of_every_stage_leave_a_pipeline_that_loads(package, tmp_path):
    from diffusers import StableDiffusionPipeline

    facts = make(package, tmp_path, {"autoencoder": 2, "scorer": 2, "unet": 2}, compiled=False, progress=quiet)
    assert facts["scorer"]["held_out"]["n"] == 240
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "demo")
    assert pipeline.unet.config.layers_per_block == 2 and len(pipeline.unet.down_blocks) == 4
    weights = sum(f.stat().st_size for f in (tmp_path / "demo").rglob("*.safetensors") if f.parent.name != "data")
    assert weights <= 40e6


def test_an_unknown_stage_is_refused(package, tmp_path):
    with pytest.raises(InputError, match="no stage 'vae'"):
        make(package, tmp_path, {"vae": 2}, compiled=False, progress=quiet)
