"""Which kind of thing a source is, and pipelines."""

from __future__ import annotations

import pytest
from safetensors.torch import save_file

from tests.models.intake.files import V1, checkpoint, state, with_unet
from workbench.errors import InputError
from workbench.models.families.stable_diffusion.architectures import ARCHITECTURES
from workbench.runtimes.torch.form import build
from workbench.sources.shapes import parse_values


def test_the_demo_has_three_components_in_torch(ask, demo):
    networks = ask("demo", "torch")
    assert [network.label for network in networks] == ["demo.text_encoder", "demo.unet", "demo.vae_decoder"]
    assert [network.torch.where for network in networks] == [str(demo / n) for n in ("text_encoder", "unet", "vae")]
    module, wrapper = build(networks[2].torch)
    assert wrapper == "" and sum(p.numel() for p in module.parameters()) > 1_000_000


def test_a_folder_is_a_pipeline_and_the_candidate_has_its_name(ask, own_model):
    (network,) = ask(own_model(), "torch", component="unet")
    assert network.label == "own.unet"


def test_a_single_file_is_counted_without_being_made_and_profiled_without_a_tokenizer(
    ask, own_tiny, tmp_path, monkeypatch
):
    source, configs = own_tiny.source, own_tiny.family.configs(own_tiny.source)
    with_unet(source, **V1)
    known = {part.name: configs(part.name) for part in own_tiny.family.parts}
    monkeypatch.setitem(ARCHITECTURES, "tiny", known)
    save_file(checkpoint(source), tmp_path / "tuned.safetensors")
    (counted,) = ask(tmp_path / "tuned.safetensors", "count", component="unet")
    assert counted.label == "tuned.unet" and not list((tmp_path / "store").rglob("*.safetensors"))
    (network,) = ask(tmp_path / "tuned.safetensors", "torch", component="unet")
    module, _ = build(network.torch)
    assert len(list(module.parameters())) == len(state(source)["unet"])
    for name, told in {
        "no.safetensors": "no such folder or file",
        "x.ckpt": "a recipe's model: {path: …, config",
    }.items():
        (tmp_path / "x.ckpt").write_bytes(b"")
        with pytest.raises(InputError, match=told):
            ask(tmp_path / name, "torch")


def test_one_component_at_a_shape_of_its_own_is_exported(ask):
    (network,) = ask("demo", component="vae_decoder", latent=(1, 4, 4, 6))
    assert network.feed["latent"].shape == (1, 4, 4, 6)
    from workbench.runtimes.onnxruntime.session import session

    assert session(network.file, 1).run(None, dict(network.feed))[0].shape == (1, 3, 16, 24)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sample": (1, 3, 8, 8)}, r"--shape sample=1x3x8x8: doesn't fit demo; needs sample=1x4xanyxany"),
        ({"sample": (1, 4, 8)}, "doesn't fit demo"),
        ({"input_ids": (1, 99)}, "demo takes at most 24 tokens"),
        ({"latnet": (1, 4, 8, 8)}, r"demo: has no input 'latnet'; did you mean latent\?"),
        ({"component": "unte"}, r"--component unte: no such component; did you mean unet\?"),
    ],
)
def test_what_does_not_fit_a_pipeline_is_refused(ask, arguments, says):
    with pytest.raises(InputError, match=says):
        ask("demo", "torch", **arguments)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("demoo", r"demoo: no such file or folder; did you mean demo\?"),
        ("sd-v1", r"did you mean arch:sd-v1\?"),
        ("a/b/c", r"a/b/c: no such file or folder\n  hint: a source is demo, a diffusers folder, RUN, RUN/CANDIDATE"),
        ("a/b", "no such file or folder, and the store .* has no run 'a'\n  hint: it has no runs"),
        ("missing.onnx", "missing.onnx: no such file"),
    ],
)
def test_a_source_that_is_nothing_is_reported_with_what_was_meant(ask, source, says):
    with pytest.raises(InputError, match=says):
        ask(source)


def test_a_folder_that_is_no_pipeline_is_reported(ask, tmp_path):
    with pytest.raises(InputError, match=r"model_index\.json: missing"):
        ask(tmp_path)


def test_values_are_read_or_refused():
    assert parse_values(["sr=16000", "a=b=0.5", "flag=true"]) == {"sr": 16000.0, "a=b": 0.5, "flag": 1.0}
    for entry in ("sr", "sr=", "=3", "sr=high"):
        with pytest.raises(InputError, match=rf"--input {entry}: needs NAME=NUMBER"):
            parse_values([entry])
