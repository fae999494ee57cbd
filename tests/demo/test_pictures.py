"""The demo's training set: captions, the held-out part, drawing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.demo.pictures import BACKGROUNDS, Pictures, caption_of, load_pictures
from workbench.errors import InputError


@pytest.fixture
def pictures() -> Pictures:
    rgba = np.zeros((3, 64, 64, 4), np.uint8)
    rgba[:, 16:48, 16:48] = (255, 0, 0, 255)
    return Pictures(rgba, ["red square", "cat", "dog"], ["things"] * 3)


def test_captions_name_the_background_except_white():
    assert caption_of("cat", "white") == "cat"
    assert caption_of("cat", "blue", "a {}") == "a cat on a blue background"


def test_held_out_combinations_are_never_drawn(pictures):
    held = set(zip(*(v.tolist() for v in pictures.pairs(held_out=True)), strict=True))
    kept = set(zip(*(v.tolist() for v in pictures.pairs(held_out=False)), strict=True))
    assert len(held) == 3 and len(kept) == 3 * (len(BACKGROUNDS) - 1) and not held & kept
    concept, background = pictures.draw(np.random.default_rng(0), 5000)
    drawn = set(zip(concept.tolist(), background.tolist(), strict=True))
    assert drawn == kept
    assert (background == 0).mean() == pytest.approx(0.5, abs=0.03)


def test_a_rendered_picture_has_the_ground_around_and_the_thing_inside(pictures):
    x = pictures.render(np.array([0]), np.array([list(BACKGROUNDS).index("blue")]))
    assert x.shape == (1, 3, 64, 64) and x.dtype == np.float32
    assert np.round((x[0, :, 0, 0] + 1) * 127.5).tolist() == [160, 205, 250]
    assert np.round((x[0, :, 32, 32] + 1) * 127.5).tolist() == [255, 0, 0]


def test_a_folder_that_is_not_the_package_says_which_one_is_wanted(tmp_path):
    with pytest.raises(InputError, match="emoji-datasource-google"):
        load_pictures(tmp_path)


def test_the_shipped_captions_are_those_of_the_concepts(demo):
    from importlib import resources

    import yaml

    listed = yaml.safe_load(resources.files("workbench.demo").joinpath("concepts.yaml").read_text())
    names = [name for group in listed.values() for name in group.values()]
    shipped = {row["caption"] for row in json.loads((demo / "data" / "captions.json").read_text())}
    assert shipped == {caption_of(name, ground) for name in names for ground in BACKGROUNDS}
    assert len(names) == len(set(names)) == 240
