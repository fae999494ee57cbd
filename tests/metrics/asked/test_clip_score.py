"""CLIP score: the number is torchmetrics', and a folder that would give another one is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.metrics.asked.folders import clip_folder, pictures, told
from workbench.metrics.asked.clip_score import ClipScore
from workbench.metrics.drawn import Drawn

PROMPTS = ["a red circle", "two blue squares", "a " + "very " * 30 + "long prompt", "a tree"] * 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("clip") / "tiny-clip")


class Old:
    """The model as torchmetrics 1.9 expects it: transformers 5 gives the vectors in an object."""

    def __init__(self, model):
        self._model, self.config = model, model.config

    def to(self, _device):
        return self

    def get_image_features(self, pixels):
        return self._model.get_image_features(pixel_values=pixels).pooler_output

    def get_text_features(self, ids, mask):
        return self._model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output


def test_every_picture_has_the_score_that_torchmetrics_gives_it(folder):
    import torch
    from torchmetrics.functional.multimodal import clip_score
    from transformers import CLIPModel, CLIPProcessor

    drawn = Drawn(pictures(20), PROMPTS)
    found = ClipScore(model=str(folder)).metric("clip_score").measure(drawn)
    model, prepare = Old(CLIPModel.from_pretrained(folder).eval()), CLIPProcessor.from_pretrained(folder)
    whole = torch.from_numpy(drawn.pictures).permute(0, 3, 1, 2)
    with torch.inference_mode():
        each = [clip_score(whole[i], PROMPTS[i], lambda: (model, prepare)).item() for i in range(20)]
    assert found["by_picture"] == pytest.approx(each, abs=1e-4) and found["value"] == pytest.approx(np.mean(each), 1e-5)
    assert len({*each}) > 10, "pictures and prompts are told apart"


def test_what_the_metric_says_of_itself_needs_no_weights(folder, tmp_path):
    metric = ClipScore(model=str(folder)).metric("ours")
    assert metric.protocol == "tiny-clip at 32 px" and metric.label == "ours"
    assert {*metric.limits} == {"ours_drop", "ours_min", "ours_max"}
    assert {file.name for file in metric.files} >= {"model.safetensors", "config.json", "tokenizer.json"}
    gone = ClipScore(model=str(tmp_path / "gone")).metric("clip_score")
    assert gone.files == () and gone.protocol == "gone"


def changed(folder: Path, name: str, **entries) -> None:
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json: missing"),
        (
            lambda f: (f / "preprocessor_config.json").unlink(),
            "preprocessor_config.json: missing; it says how pictures",
        ),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokens; needs tokenizer.json"),
        (lambda f: (f / "model.safetensors").unlink(), "model.safetensors: missing; no safetensors file there"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickled weights can run code"),
        (lambda f: (f / "model.safetensors").write_bytes(b"cut"), "not a safetensors file"),
        (lambda f: changed(f, "config.json", model_type="bert"), "model_type: found 'bert'; needs one of clip"),
        (lambda f: changed(f, "config.json", projection_dim=512), "weights of another network than config.json says"),
        (
            lambda f: changed(f, "preprocessor_config.json", crop_size=224),
            "makes pictures of 224 pixels; config.json needs 32",
        ),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
    ],
)
def test_a_folder_that_can_not_be_scored_by_is_refused_in_a_sentence(folder, tmp_path, damage, says):
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    damage(copy)
    (problem,) = told(ClipScore(model=str(copy)))
    assert problem.startswith("model: ") and says in problem and "\n" not in problem


def test_a_folder_that_is_not_there_is_no_download(folder):
    assert told(ClipScore(model=str(folder))) == []
    (problem,) = told(ClipScore(model="openai/clip-vit-large-patch14"))
    assert "no such folder" in problem and "did you mean hub:openai/clip-vit-large-patch14?" in problem
    (problem,) = told(ClipScore(model="hub:no name"))
    assert "needs hub:OWNER/NAME" in problem


def test_a_model_of_the_hub_is_read_from_the_local_copy_and_fetched_by_nobody_else(folder, tmp_path, monkeypatch):
    import shutil

    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    config = ClipScore(model="hub:owner/tiny")
    assert config.metric("clip_score").files == (), "a report can be rendered without it"
    (problem,) = told(config)
    assert problem.startswith("model: hub:owner/tiny: can't be fetched") and "\n" not in problem

    copy = tmp_path / "models--owner--tiny"
    shutil.copytree(folder, copy / "snapshots" / "0123")
    (copy / "refs").mkdir()
    (copy / "refs" / "main").write_text("0123")
    metric, drawn = config.metric("clip_score"), Drawn(pictures(4), PROMPTS[:4])
    assert told(config) == [] and metric.protocol == "owner/tiny at 32 px" and len(metric.files) > 3
    assert metric.measure(drawn) == ClipScore(model=str(folder)).metric("clip_score").measure(drawn)
