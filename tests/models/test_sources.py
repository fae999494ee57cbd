"""Where models come from, and what is told of a folder that isn't one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from workbench.errors import InputError
from workbench.models.folder import inspect_folder, pipeline_files
from workbench.models.sources import base_candidate, demo_folder, resolve
from workbench.models.weights import read_header, tensors_of
from workbench.store.store import Store

WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def replace(file: Path, content: bytes | str | None) -> None:
    """Puts other content where a link lies, so that the demo's own file stays as it is."""
    file.unlink()
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def test_the_embedded_model_is_whole(demo: Path) -> None:
    assert resolve("demo") == demo
    assert inspect_folder(demo) == []


def test_another_folder_may_stand_in_for_the_embedded_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DEMO", str(tmp_path))
    assert demo_folder() == tmp_path


def test_the_untouched_model_is_a_candidate_in_fp32(store: Store, demo: Path) -> None:
    base = base_candidate("demo", store)
    assert (base.name, base.source, base.lineage, base.scheme) == ("base", demo, (), "fp32")
    assert {name: c.path for name, c in base.components.items()} == {
        "text_encoder": demo / "text_encoder",
        "unet": demo / "unet",
        "vae_decoder": demo / "vae",
    }


def test_the_key_is_of_the_contents_wherever_they_lie(store: Store, own_model: Callable[[], Path]) -> None:
    own = own_model()
    key = base_candidate("demo", store).key
    assert base_candidate(str(own), store).key == key

    (own / "notes.md").write_text("not part of the pipeline")
    replace(own / "data" / "captions.json", "[]")
    assert base_candidate(str(own), store).key == key

    config = own / "scheduler" / "scheduler_config.json"
    replace(config, config.read_text() + "\n")
    assert base_candidate(str(own), store).key != key


def test_only_the_weights_that_are_loaded_count(own_model: Callable[[], Path]) -> None:
    own = own_model()
    before = pipeline_files(own)
    (own / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"another variant")
    (own / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickled")
    assert pipeline_files(own) == before
    assert own / WEIGHTS in before


@pytest.mark.parametrize("name", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component_is_named(name: str, own_model: Callable[[], Path]) -> None:
    own = own_model()
    (own / name).rename(own / "elsewhere")
    listed = ".".join(json.loads((own / "model_index.json").read_text())[name])
    assert inspect_folder(own) == [f"{own}/{name}: missing; model_index.json lists it as {listed}"]


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("unet/config.json", None, "missing"),
        ("unet/config.json", "[]", "found a list; needs a JSON object"),
        (
            "unet/config.json",
            "{}",
            "lacks block_out_channels, down_block_types, up_block_types, layers_per_block, in_channels",
        ),
        ("vae/config.json", b"\xff", "not text in UTF-8"),
        ("scheduler/scheduler_config.json", None, "missing"),
        ("tokenizer/tokenizer_config.json", None, "missing"),
        (WEIGHTS, None, "missing; no safetensors file there"),
        (WEIGHTS, b"", "cut off"),
        (WEIGHTS, b"\x10\0\0\0\0\0\0\0{}", "cut off"),
        (WEIGHTS, b"\x80\x04\x95\xff\xff\xff\xff\xff\xff", "cut off, or not a safetensors file"),
        (WEIGHTS, b"\x02\0\0\0\0\0\0\0[]", "cut off, or not a safetensors file"),
        (
            WEIGHTS,
            b"version https://git-lfs.github.com/spec/v1\n",
            "found a Git LFS pointer, not the weights; run: git lfs pull",
        ),
    ],
)
def test_a_broken_file_is_named(
    file: str, content: bytes | str | None, told: str, own_model: Callable[[], Path]
) -> None:
    own = own_model()
    replace(own / file, content)
    (problem,) = inspect_folder(own)
    assert problem.startswith(f"{own}/{file}: {told}")


def test_broken_json_is_named_with_its_line(own_model: Callable[[], Path]) -> None:
    own = own_model()
    replace(own / "unet" / "config.json", '{\n "in_channels": 4,\n oops\n}')
    assert inspect_folder(own) == [
        f"{own}/unet/config.json:3: not valid JSON (Expecting property name enclosed in double quotes)"
    ]


def test_a_folder_without_an_index_and_no_folder_at_all(tmp_path: Path) -> None:
    told = f"{tmp_path}/model_index.json: missing; a model is a diffusers pipeline folder, as save_pretrained writes it"
    assert inspect_folder(tmp_path) == [told]
    assert inspect_folder(tmp_path / "no") == [f"{tmp_path}/no: no such folder"]


def test_a_null_component_and_a_second_text_encoder_are_told(own_model: Callable[[], Path]) -> None:
    own = own_model()
    index = json.loads((own / "model_index.json").read_text())
    index |= {"vae": [None, None], "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}
    replace(own / "model_index.json", json.dumps(index))
    assert [problem.split(": ")[1] for problem in inspect_folder(own)] == ["vae", "text_encoder_2"]


@pytest.mark.parametrize("suffix", [".bin", ".ckpt", ".pt"])
def test_pickled_weights_are_never_read(suffix: str, own_model: Callable[[], Path]) -> None:
    own = own_model()
    replace(own / WEIGHTS, None)
    pickled = (own / WEIGHTS).with_suffix(suffix)
    pickled.write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    (problem,) = inspect_folder(own)
    assert problem.startswith(
        f"{pickled}: pickled weights can run code and aren't read; needs diffusion_pytorch_model.safetensors"
    )


def test_weights_under_no_known_name_are_told(own_model: Callable[[], Path]) -> None:
    own = own_model()
    (own / WEIGHTS).rename(own / "unet" / "diffusion_pytorch_model.ema.safetensors")
    told = f"{own}/{WEIGHTS}: missing; found diffusion_pytorch_model.ema.safetensors: rename it"
    assert inspect_folder(own) == [told]


def test_sharded_weights_are_read_by_their_index(own_model: Callable[[], Path]) -> None:
    own = own_model()
    folder, index = own / "unet", own / f"{WEIGHTS}.index.json"
    tensors = load_file(own / WEIGHTS)
    replace(own / WEIGHTS, None)
    shards = {f"part-{i}.safetensors": list(tensors)[i::2] for i in (0, 1)}
    index.write_text(json.dumps({"weight_map": {name: file for file, names in shards.items() for name in names}}))
    save_file({name: tensors[name] for name in shards["part-0.safetensors"]}, folder / "part-0.safetensors")
    listed = "diffusion_pytorch_model.safetensors.index.json lists it"
    assert inspect_folder(own) == [f"{own}/unet/part-1.safetensors: missing; {listed}"]

    save_file({name: tensors[name] for name in shards["part-1.safetensors"]}, folder / "part-1.safetensors")
    assert tensors_of(folder, "diffusion_pytorch_model").params == sum(value.size for value in tensors.values())
    assert inspect_folder(own) == []

    for outside in ("../part-0.safetensors", "/etc/passwd", 7, None):
        index.write_text(json.dumps({"weight_map": {"w": outside}}))
        (problem,) = inspect_folder(own)
        assert problem.startswith(f"{index}: weight_map: found {outside!r}")


def test_a_tensor_whose_place_is_not_its_size_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [8], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(InputError, match="cut off, or not a safetensors file"):
        read_header(tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", ["nobody", "a/b/c", "../x", ""])
def test_a_hub_name_is_owner_and_name(name: str) -> None:
    with pytest.raises(InputError, match="needs hub:OWNER/NAME"):
        resolve(f"hub:{name}")
