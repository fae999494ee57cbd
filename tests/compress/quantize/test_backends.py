"""Backends are found by their files, and each says what it can make and in whose format."""

from __future__ import annotations

import pytest

from workbench.compress.quantize.backends import able, backends, makes
from workbench.compress.quantize.config import QuantizeConfig


def test_backends_stand_in_their_order_and_write_their_runtimes_files():
    assert list(backends()) == ["onnxruntime", "nncf", "openvino"]
    assert [(one.suffix, one.kind) for one in backends().values()] == [
        (".onnx", "onnx"), (".onnx", "onnx"), (".xml", "openvino"),
    ]  # fmt: skip


def test_who_makes_what():
    assert able("w8a8") == ["onnxruntime", "nncf", "openvino"] and able("w4a16") == ["onnxruntime", "openvino"]
    assert makes("nncf") == ["w8a8"] and able("fp32") == []


def test_the_key_of_a_step_has_the_backend_and_the_runtime_that_opens_its_files():
    assert backends()["nncf"].code == {"workbench.compress.quantize.nncf.onnx", "workbench.runtimes.onnxruntime.format"}


def test_the_recipe_takes_the_names_of_backends_alone():
    assert QuantizeConfig().backend == "onnxruntime"
    with pytest.raises(ValueError, match="'onnxruntime', 'nncf' or 'openvino'"):
        QuantizeConfig.model_validate({"backend": "tensorrt"})
