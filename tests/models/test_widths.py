"""The manifest of a pruned U-Net: anything that doesn't fit is told in one sentence, nothing is guessed."""

from __future__ import annotations

import json

import pytest
import torch

from workbench.errors import InputError
from workbench.models.read_json import read_object
from workbench.models.unet import load_unet, meta_unet
from workbench.models.widths import FILE, Widths, read_widths, write_widths


@pytest.fixture
def folder(own_tiny):
    return own_tiny.components["unet"].path


def test_a_folder_without_a_manifest_is_what_diffusers_says(folder):
    assert read_widths(folder) is None
    wanted = meta_unet(read_object(folder / "config.json")).state_dict()
    found = load_unet(folder).state_dict()
    assert {n: v.shape for n, v in found.items()} == {n: v.shape for n, v in wanted.items()}
    assert all(v.dtype == torch.float32 for v in found.values())


def test_a_manifest_comes_back_as_it_was_written(folder):
    widths = Widths({"conv_in": (4, 8)}, {"down_blocks.0": 1}, {"conv_in": (0, 2)})
    write_widths(widths, folder)
    assert read_widths(folder) == widths


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "can't be read as the widths"),
        ("[]", "can't be read as the widths"),
        ('{"version": 1}', "can't be read as the widths"),
        ('{"version": 1, "layers": {"conv_in": [4, 0]}, "heads": {}, "kept": {}}', "found 0 for a width"),
        ('{"version": 2, "layers": {}, "heads": {}, "kept": {}}', "found version 2; this workbench reads version 1"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(folder, text, said):
    (folder / FILE).write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        load_unet(folder)
    assert str(folder / FILE) in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (
            {"conv_in": [4, 8]},
            r"don't fit the configs beside them: conv_in.weight should be \(8, 4, 3, 3\), found \(16, 4, 3, 3\)",
        ),
        ({"conv_on": [4, 8]}, "names conv_on, which this U-Net hasn't"),
        ({"down_blocks.0": [4, 8]}, "has no channels to set"),
    ],
)
def test_widths_that_do_not_fit_the_weights_are_refused(folder, layers, said):
    (folder / FILE).write_text(json.dumps({"version": 1, "layers": layers, "heads": {}, "kept": {}}))
    with pytest.raises(InputError, match=said):
        load_unet(folder)
