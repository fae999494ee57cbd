"""The compiler is an extra: what the message says to install is what the package declares."""

from __future__ import annotations

import tomllib

import pytest

from tests import ROOT
from workbench.errors import InputError
from workbench.npu import extra


def test_the_line_to_install_it_is_the_extra_of_the_package():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["qnn"]
    assert declared == [extra.REQUIREMENT]


def test_without_it_the_message_says_what_to_install_and_under_which_licence(monkeypatch):
    monkeypatch.setattr(extra, "DISTRIBUTION", "onnxruntime-qnn-that-is-nowhere")
    with pytest.raises(InputError, match="is not installed") as told:
        extra.required()
    assert f'pip install "{extra.REQUIREMENT}"' in str(told.value) and "Qualcomm's AI Stack License" in str(told.value)
