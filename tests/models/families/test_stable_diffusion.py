"""What the package knows of Stable Diffusion, and that it knows it nowhere else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT
from workbench.errors import InputError
from workbench.models import guidance
from workbench.models.candidate import pipeline_candidate
from workbench.models.families import INDEX, architecture, families, family_of, layouts, modules, policies
from workbench.models.families.base import PASSES, TIMESTEPS, calls
from workbench.models.families.stable_diffusion import FAMILY
from workbench.models.folder import inspect_folder
from workbench.store.depends import closure


def test_its_components_and_their_roles():
    assert [(p.name, p.role, p.folder, p.library, p.cls, p.stem) for p in FAMILY.parts] == [
        ("text_encoder", "prompt encoder", "text_encoder", "transformers", "CLIPTextModel", "model"),
        ("unet", "denoiser", "unet", "diffusers", "UNet2DConditionModel", "diffusion_pytorch_model"),
        ("vae_decoder", "decoder", "vae", "diffusers", "AutoencoderKL", "diffusion_pytorch_model"),
    ]
    assert (FAMILY.prompt_encoder.name, FAMILY.denoiser.name, FAMILY.decoder.name) == FAMILY.names


def test_what_goes_in_and_comes_out(demo: Path):
    candidate = pipeline_candidate("base", "", demo)
    specs = {name: candidate.spec(name) for name in FAMILY.names}
    assert {name: dict(spec.inputs) for name, spec in specs.items()} == {
        "text_encoder": {"input_ids": ((1, 24), "int64")},
        "unet": {
            "sample": ((1, 4, 16, 16), "float32"),
            "timestep": ((1,), "float32"),
            "encoder_hidden_states": ((1, 24, 128), "float32"),
        },
        "vae_decoder": {"latent": ((1, 4, 16, 16), "float32")},
    }
    assert [spec.output for spec in specs.values()] == ["last_hidden_state", "out_sample", "picture"]
    assert candidate.tokens == 24 and FAMILY.side(candidate.config) == 64
    assert FAMILY.scaling(demo) == (candidate.config("vae_decoder")["scaling_factor"], 0.0)


def test_a_picture_costs_what_the_formula_says():
    assert FAMILY.formula == "text_encoder × guidance_passes + unet × timesteps × guidance_passes + vae_decoder"
    factors = calls(FAMILY.formula, {TIMESTEPS: 25, PASSES: guidance.passes(7.5, embedded=False)})
    assert factors == {"text_encoder": (2,), "unet": (25, 2), "vae_decoder": ()}
    assert [math.prod(of) for of in factors.values()] == [2, 50, 1]
    assert calls(FAMILY.formula, {TIMESTEPS: 25}) == {}


@pytest.mark.parametrize(("scale", "embedded", "passes"), [(7.5, False, 2), (1.0, False, 1), (7.5, True, 1)])
def test_guidance_that_is_an_input_takes_no_second_pass(scale: float, embedded: bool, passes: int):
    assert guidance.passes(scale, embedded) == passes


def test_a_few_step_student_takes_the_strength_of_guidance(demo: Path):
    few = pipeline_candidate("base", "", demo).with_denoiser(demo / "students" / "few")
    assert few.guidance_width == 256 and few.spec("unet").inputs[guidance.INPUT] == ((1, 256), "float32")


def test_what_is_published_on_it():
    assert list(layouts()) == ["bk-base", "bk-small", "bk-tiny"] and "nvidia" in policies()
    family, configs = architecture("sd-v2")
    assert family is FAMILY and list(configs) == list(FAMILY.names)
    assert configs["unet"]["cross_attention_dim"] == configs["text_encoder"]["hidden_size"] == 1024
    with pytest.raises(InputError, match=r"did you mean bk-tiny\?"):
        architecture("bk-tini")


def test_a_new_policy_changes_no_result_that_names_none():
    (module,) = modules("policies")
    assert module not in closure("workbench.compress.distill.step") and module not in closure("workbench.export.stored")
    assert "workbench.models.families.stable_diffusion.parts" in closure("workbench.export.stored")


def test_a_pipeline_of_other_classes_is_told(own_model: Callable[[], Path]):
    own = own_model()
    index = json.loads((own / INDEX).read_text())

    def told(**changed: list[str | None]) -> list[str]:
        (own / INDEX).unlink()
        (own / INDEX).write_text(json.dumps(index | changed))
        return inspect_folder(own)

    other = ["diffusers", "AutoencoderDC"]
    needs = "AutoencoderKL or AutoencoderTiny"
    assert told(vae=other) == [f"{own}/{INDEX}: vae: found AutoencoderDC; Stable Diffusion 1 or 2 needs {needs} there"]
    (problem,) = told(
        vae=other, unet=["diffusers", "PriorTransformer"], text_encoder=["transformers", "T5EncoderModel"]
    )
    assert problem.startswith(f"{own}/{INDEX}: lists the components of no known family; needs those of ")
    with pytest.raises(InputError, match="no known family"):
        family_of(own)


def test_no_other_file_names_its_components():
    names = "|".join({part for p in FAMILY.parts for part in (p.name, p.folder)})
    quoted = re.compile(rf"""(["'])({names})\1""")
    inside = ROOT / "workbench" / "models" / "families"
    found = {
        f"{file.relative_to(ROOT)}:{number}"
        for file in (ROOT / "workbench").rglob("*.py")
        if inside not in file.parents
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if quoted.search(line)
    }
    assert found == set() and families() == (FAMILY,)
