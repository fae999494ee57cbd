"""Captioned pictures: the model's own set and a user's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workbench.data.captioned import captions, data_key, load, rows
from workbench.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = []
    tmp_path = tmp_path / "set"
    tmp_path.mkdir()
    for i, text in enumerate(("a red square", "a blue square")):
        picture = np.zeros((80, 64, 3), np.uint8)
        picture[..., 2 * i] = 255
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": text}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_the_demo_brings_latents_and_captions_and_says_what_training_never_saw(demo):
    data = load(None, demo)
    assert len(data.captions) == len(data.latents) == len(data.split) == 1920
    assert data.latents.shape[1:] == (4, 16, 16)
    assert len(data.part("held_out")) == 240
    assert not set(captions(None, demo, "train")) & set(captions(None, demo, "held_out"))


def test_a_folder_of_the_user_is_encoded_by_the_models_autoencoder(folder, demo):
    data = load(str(folder), demo)
    assert data.captions == ["a red square", "a blue square"] and data.part("train") == [0, 1]
    assert data.latents.shape == (2, 4, 16, 16) and not np.allclose(data.latents[0], data.latents[1])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "metadata.jsonl:3"),
        ('{"file_name": "0.png"}', "metadata.jsonl:3"),
        ('{"file_name": "9.png", "text": "x"}', "no picture '9.png'"),
        ('{"file_name": "../secret.png", "text": "x"}', "no picture"),
        ('{"file_name": "0.png", "text": 5}', "metadata.jsonl:3: text: found 5; needs a caption in quotes"),
        ('{"file_name": "0.png", "text": ["x"]}', "metadata.jsonl:3: text: found"),
        ('{"file_name": "0.png", "text": "\\ud800"}', "metadata.jsonl:3: text: found"),
        ('{"file_name": "0\\u0000.png", "text": "x"}', "metadata.jsonl:3: no picture"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(folder, demo, line, says):
    with (folder / "metadata.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=says):
        rows(str(folder), demo)


@pytest.mark.parametrize(("encoding", "where"), [("latin-1", ":3: not UTF-8: found the byte 0xe9 in column 27")])
def test_captions_in_another_encoding_are_reported_with_file_and_line(folder, demo, encoding, where):
    with (folder / "metadata.jsonl").open("ab") as file:
        file.write('{"file_name": "0.png", "te\xe9": "x"}\n'.encode(encoding))
    with pytest.raises(InputError) as error:
        rows(str(folder), demo)
    assert str(error.value).startswith(f"{folder / 'metadata.jsonl'}{where}")


def test_a_model_whose_own_captions_are_no_captions_is_reported(tmp_path):
    (tmp_path / "data").mkdir()
    for content, says in (
        (b"[{]", r"captions.json:1: not valid JSON"),
        (b'["\xe9"]', r"captions.json: not UTF-8"),
        (b'[{"caption": null, "split": "train"}]', r"captions.json: needs a list of rows"),
        (b'{"caption": "a", "split": "train"}', r"captions.json: needs a list of rows"),
    ):
        (tmp_path / "data" / "captions.json").write_bytes(content)
        with pytest.raises(InputError, match=says):
            rows(None, tmp_path)


def test_demo_data_goes_with_the_demo_model_only(tmp_path):
    with pytest.raises(InputError, match="goes with model: demo"):
        rows("demo", tmp_path)


def test_a_changed_caption_changes_the_key(folder, demo, store):
    before = data_key(str(folder), demo, store)
    assert before == data_key(str(folder), demo, store) != data_key(None, demo, store)
    text = (folder / "metadata.jsonl").read_text().replace("red", "green")
    (folder / "metadata.jsonl").write_text(text)
    assert data_key(str(folder), demo, store) != before
