"""``arch:NAME`` as a recipe's model: a whole pipeline of random weights, made once, and said to be that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.sources.test_architecture import SMALL
from workbench.errors import InputError
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.families.stable_diffusion.architectures import ARCHITECTURES
from workbench.models.folder import inspect_folder, notes
from workbench.models.intake.architecture import RANDOM, is_random
from workbench.models.sources import base_candidate, look, resolve
from workbench.models.tokens import load_tokens
from workbench.models.weights import tensors_of
from workbench.store.store import Store

TEXT = {"hidden_size": 768, "intermediate_size": 32, "num_hidden_layers": 1}


@pytest.fixture
def small(monkeypatch):
    configs = ARCHITECTURES["sd-v1"]
    monkeypatch.setitem(
        ARCHITECTURES, "small", configs | {"unet": SMALL, "text_encoder": configs["text_encoder"] | TEXT}
    )
    return "arch:small"


def test_it_is_a_whole_pipeline_in_half_precision_that_runs(small, store):
    folder = resolve(small, store)
    assert inspect_folder(folder) == [] and is_random(folder)
    assert notes(folder) == [f"{small}: {RANDOM}"]
    configs = FAMILY.configs(folder)
    with torch.inference_mode():
        for part in FAMILY.parts:
            assert set(tensors_of(folder / part.folder, part.stem).types.values()) == {"F16"}
            out = part.load(folder / part.folder)(*map(torch.from_numpy, part.spec(configs).seeded().values()))
            assert out.isfinite().all() and out.std() > 0


def test_diffusers_reads_it(small, store):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(resolve(small, store), local_files_only=True)
    assert type(pipeline.scheduler).__name__ == "PNDMScheduler"


def test_its_tokenizer_knows_bytes_and_where_a_prompt_begins_and_ends(small, store):
    ids = load_tokens(resolve(small, store))(["ab a", "", "ü" * 99])
    assert ids.shape == (3, 77) and ids.dtype == np.int64
    assert ids[:, 0].tolist() == [49406] * 3 and ids[0, 1:5].tolist()[-1] == 49407 and ids[1, 1] == 49407
    a, b = ids[0, 3], ids[0, 2]
    assert ids[0, 1] + 256 == a and ids[0, 1] != b and (ids[2, 1:76] < 512).all() and ids[2, 76] == 49407


def test_it_is_the_same_in_every_store_and_looking_makes_nothing(small, store, tmp_path):
    with look(small) as folder:
        assert is_random(folder) and not list(folder.rglob("*.safetensors"))
    assert not store.root.exists()
    assert base_candidate(small, store).key == base_candidate(small, Store(tmp_path / "second")).key


def test_a_name_that_is_not_known_is_told_with_the_nearest(store):
    with pytest.raises(InputError, match=r"architecture 'sd-v11' is not known; did you mean sd-v1\?"):
        resolve("arch:sd-v11", store)
