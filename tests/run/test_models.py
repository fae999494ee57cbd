"""Models that a run makes, or gives up on, before its steps."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.intake.files import V1, lora, with_unet
from workbench.errors import RunError
from workbench.progress import quiet
from workbench.recipe.load import load_recipe
from workbench.run.execute import candidates_of, execute

STEPS = "evaluate: {prompts: p.txt}\nsteps:\n  - remove_blocks: {blocks: [mid_block]}\n"


@pytest.fixture
def recipe(own_tiny, tmp_path):
    """A recipe of a small pipeline with a LoRA on top."""
    with_unet(own_tiny.source, **V1)
    lora(own_tiny.source, tmp_path / "l.safetensors")
    (tmp_path / "p.txt").write_text("a cat\na dog\n")
    file = tmp_path / "r.yaml"
    file.write_text(f"version: 1\nname: x\nmodel: {{path: tiny, loras: [{{path: l.safetensors}}]}}\n{STEPS}")
    return file


def test_steps_start_from_what_was_made_and_find_it_again(recipe, own_tiny, store):
    base, removed = candidates_of(load_recipe(recipe), store, quiet)
    assert base.source.is_relative_to(store.root) and removed.source == base.source
    fused = load_file(base.denoiser.path / "diffusion_pytorch_model.safetensors")
    left = load_file(removed.denoiser.path / "diffusion_pytorch_model.safetensors")
    assert left and all(torch.equal(fused[name].float(), value.float()) for name, value in left.items())
    again = candidates_of(load_recipe(recipe), store, quiet)
    assert [candidate.key for candidate in again] == [base.key, removed.key]


def test_weights_that_are_no_numbers_end_a_run_before_its_first_step(recipe, own_tiny, store, tmp_path):
    file = own_tiny.source / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["decoder.conv_out.bias"][1] = float("nan")
    save_file(tensors, file)
    recipe.write_text(recipe.read_text().replace("{path: tiny, loras: [{path: l.safetensors}]}", "tiny"))
    with pytest.raises(RunError, match=r"decoder\.conv_out\.bias holds numbers that aren't finite") as told:
        execute(recipe, [], store, tmp_path / "out", quiet)
    assert told.value.message.startswith(f"{file}: ") and not list((store.root / "results").glob("*"))
