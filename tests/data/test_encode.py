"""Latents of a data set are encoded once, and only used with the autoencoder that made them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from workbench.data import captioned
from workbench.data.captioned import load
from workbench.data.encode import LATENTS, encode, keep, stored_latents
from workbench.models.families import INDEX


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """More than one batch, of two shapes."""
    made = []
    for i in range(18):
        picture = np.random.default_rng(i).integers(0, 255, (8, 8 + 2 * (i % 2), 3), dtype=np.uint8)
        made.append(tmp_path / f"{i:02d}.png")
        Image.fromarray(picture).resize((64 + 16 * (i % 2), 64)).save(made[-1])
    rows = [{"file_name": file.name, "text": f"picture {file.stem}"} for file in made]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def test_a_picture_has_the_latents_that_it_has_alone(files, demo):
    told = []

    def progress(what, total):
        from contextlib import nullcontext

        told.append((what, total))
        return nullcontext(lambda done, _note="": told.append(done))

    whole = encode(files, demo, progress)
    assert whole.shape == (18, 4, 16, 16) and told == [("encode", 18), 16, 18]
    for i in (0, 1, 17):
        assert torch.allclose(whole[i : i + 1], encode([files[i]], demo), atol=1e-4)


def test_kept_latents_are_used_instead_of_encoding_again(files, demo, monkeypatch):
    folder = files[0].parent
    keep(folder, files, demo)
    monkeypatch.setattr(captioned, "encode", lambda *_: pytest.fail("encoded again"))
    found = load(str(folder), demo)
    assert torch.equal(found.latents, load_file(folder / LATENTS)["latents"])
    assert found.captions[3] == "picture 03"


def test_latents_of_another_autoencoder_or_of_other_pictures_are_not(files, demo, tmp_path):
    folder = files[0].parent
    keep(folder, files, demo)
    assert stored_latents(folder, 18, demo) is not None
    assert stored_latents(folder, 17, demo) is None
    other = tmp_path / "other"
    shutil.copytree(demo / "vae", other / "vae")
    shutil.copyfile(demo / INDEX, other / INDEX)
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(weights).items()}, weights)
    assert stored_latents(folder, 18, other) is None
    assert not torch.allclose(load(str(folder), other).latents, load(str(folder), demo).latents, atol=1e-4)
