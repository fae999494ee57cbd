"""A candidate that a run left behind, by name."""

from __future__ import annotations

import dataclasses

import pytest

from workbench.errors import InputError
from workbench.models.candidate import Component
from workbench.models.record import finish, read_record, write_record
from workbench.store.store import Store


@pytest.fixture
def recorded(base, store):
    """A run with the untouched demo and a candidate whose U-Net is an ONNX file in the store."""
    file = store.root / "results" / "k" / "unet" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    unet = Component("unet", "onnx", file, "w8a8")
    quantized = dataclasses.replace(
        base, name="w8a8", key="k", components={**base.components, "unet": unet}, lineage=("quantize",), parent="base",
        report={"layers": 3},
    )  # fmt: skip
    write_record(store, "my_run", [base, quantized])
    return [base, quantized]


def test_what_was_recorded_is_read_again(recorded, store):
    assert read_record(store, "my_run").candidates == recorded


def test_the_store_may_be_moved(recorded, store, tmp_path):
    store.root.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved")
    assert (
        read_record(moved, "my_run").candidates[1].components["unet"].path == moved.root / "results/k/unet/model.onnx"
    )


def test_a_candidates_components_are_networks(ask, recorded):
    networks = {network.component: network for network in ask("my_run/w8a8", "torch")}
    assert list(networks) == ["text_encoder", "unet", "vae_decoder"]
    unet, decoder = networks["unet"], networks["vae_decoder"]
    assert (unet.candidate, unet.scheme, unet.file, unet.torch) == (
        "w8a8", "w8a8", recorded[1].components["unet"].path, None,
    )  # fmt: skip
    assert unet.feed["sample"].shape == (1, 4, 16, 16)
    assert decoder.file is None and decoder.torch.where == str(recorded[0].components["vae_decoder"].path)


@pytest.mark.parametrize(
    ("source", "says", "hint"),
    [
        ("my_rn/base", r"has no run 'my_rn'; did you mean my_run/base\?", "its runs: my_run"),
        ("my_run/w8a", r"run my_run has no candidate 'w8a'; did you mean my_run/w8a8\?", "it has: base, w8a8"),
        ("my_run", "is a run that hasn't come to a choice; needs one of its candidates, as my_run/base", None),
    ],
)
def test_unknown_names_are_reported_with_what_there_is(ask, recorded, source, says, hint):
    with pytest.raises(InputError, match=says) as caught:
        ask(source)
    assert hint is None or caught.value.hint == hint


def test_a_candidate_whose_files_are_gone_is_reported_with_the_way_back(ask, recorded):
    recorded[1].components["unet"].path.unlink()
    with pytest.raises(InputError, match=r"w8a8: its unet is gone: .*\n  hint: run its recipe again"):
        ask("my_run/w8a8")


@pytest.mark.parametrize("text", ["", "{}", '{"version": 9, "candidates": []}', '{"version": 1, "candidates": [1]}'])
def test_a_record_that_can_not_be_read_is_refused(ask, recorded, store, text):
    (store.root / "runs" / "my_run.json").write_text(text)
    with pytest.raises(InputError, match=r"my_run\.json: .*\n  hint: run its recipe again"):
        ask("my_run/base")


def test_a_run_alone_is_what_it_chose(ask, recorded, store):
    finish(store, "my_run", recorded, "key of the report", "w8a8", ["k"])
    assert {network.candidate for network in ask("my_run", "torch")} == {"w8a8"}
    assert {network.candidate for network in ask("my_run@1/base", "torch")} == {"base"}
