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
from workbench.data.encode import LATENTS, at_once, encode, keep, stored_latents
from workbench.data.forms import read_rows
from workbench.limits import at_most
from workbench.models.families import INDEX


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """More than one batch, of two shapes."""
    rows = []
    for i in range(18):
        picture = np.random.default_rng(i).integers(0, 255, (8, 8 + 2 * (i % 2), 3), dtype=np.uint8)
        Image.fromarray(picture).resize((64 + 16 * (i % 2), 64)).save(tmp_path / f"{i:02d}.png")
        rows.append({"file_name": f"{i:02d}.png", "text": f"picture {i:02d}"})
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_picture_has_the_latents_that_it_has_alone(folder, demo):
    ticks = []

    def progress(what, total):
        from contextlib import nullcontext

        ticks.append((what, total))
        return nullcontext(lambda done, _note="": ticks.append(done))

    rows = read_rows(folder)
    whole, _ = encode(rows, demo, progress)
    assert whole.shape == (18, 4, 16, 16) and ticks == [("encode", 18), 16, 18]
    for i in (0, 1, 17):
        assert torch.allclose(whole[i : i + 1], encode([rows[i]], demo)[0], atol=1e-4)
    with at_most(1):
        assert at_once(demo) == 1 < 16
        assert torch.allclose(whole, encode(rows, demo)[0], atol=1e-4)


def test_kept_latents_are_used_instead_of_encoding_again(folder, demo, monkeypatch):
    keep(folder, demo)
    monkeypatch.setattr(captioned, "encode", lambda *_: pytest.fail("encoded again"))
    data = load(str(folder), demo)
    assert torch.equal(data.latents, load_file(folder / LATENTS)["latents"])
    assert data.captions[3] == "picture 03"


def test_latents_of_another_autoencoder_or_of_other_pictures_are_not(folder, demo, tmp_path):
    keep(folder, demo)
    assert stored_latents(folder, 18, demo) is not None
    assert stored_latents(folder, 17, demo) is None
    other = tmp_path / "other"
    for part in ("vae", "unet", "text_encoder"):
        shutil.copytree(demo / part, other / part)
    shutil.copyfile(demo / INDEX, other / INDEX)
    weights = other / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(weights).items()}, weights)
    assert stored_latents(folder, 18, other) is None
    assert not torch.allclose(load(str(folder), other).latents, load(str(folder), demo).latents, atol=1e-4)


def test_latents_have_the_size_that_the_denoiser_takes_whatever_the_autoencoder_was_trained_at(folder, own_model):
    own = own_model()
    rewrite(own / "vae" / "config.json", sample_size=32)
    assert load(str(folder), own).latents.shape == (18, 4, 16, 16)
    rewrite(own / "unet" / "config.json", sample_size=[8, 16])
    assert load(str(folder), own).latents.shape == (18, 4, 8, 16)


def test_kept_latents_of_another_size_are_not_used(folder, demo, own_model):
    own = own_model()
    keep(folder, demo)
    rewrite(own / "unet" / "config.json", sample_size=8)
    assert load(str(folder), own).latents.shape == (18, 4, 8, 8)


def test_large_pictures_are_encoded_one_at_a_time(demo, own_model):
    own = own_model()
    rewrite(own / "unet" / "config.json", sample_size=128)
    assert (at_once(demo), at_once(own)) == (16, 1)


def rewrite(file: Path, **changes: object) -> None:
    config = json.loads(file.read_text()) | changes
    file.unlink()
    file.write_text(json.dumps(config))
