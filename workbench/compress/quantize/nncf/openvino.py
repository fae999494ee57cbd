"""The OpenVINO backend: quantization after training by NNCF in OpenVINO's own format.

NNCF leaves FakeQuantize operations before what it quantizes and int8 weights in the ``.bin``; which kernels then run in
int8 is OpenVINO's choice on each machine. Operations keep the names that they have in the ONNX file, so the layer stays
in them.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.compress.quantize.backends import Backend, Task
from workbench.compress.quantize.nncf.onnx import quantized
from workbench.compress.quantize.weights.groups import LARGEST
from workbench.graphs.names import layer_of
from workbench.models.schemes import SCHEMES
from workbench.runtimes.openvino.costs import PRODUCTS, onnx_name, weight_of
from workbench.runtimes.openvino.session import read_model
from workbench.store.processor import int8_overflows

if TYPE_CHECKING:
    import openvino

    from workbench.compress.quantize.calibration.trajectory import Inputs


def quantize_openvino(model: Path, layers: Collection[str], samples: Sequence[Inputs], out: Path) -> None:
    """Writes the ONNX file ``model`` quantized to ``out`` (``.xml``, its ``.bin`` beside it); only the named layers.

    Weights int8, symmetric, one scale per output channel; activations 8 bit, one scale per tensor, by the extremes of
    ``samples``; biases corrected (NNCF's fast bias correction). Where OpenVINO's 8-bit products overflow on this
    machine, weights take 7 of the 8 bits (NNCF's overflow fix).

    Raises:
        InputError: OpenVINO isn't installed.
        RunError: OpenVINO can't read the model.
    """
    plain, ignored = _folded(model, layers)
    import nncf
    import openvino

    fix = nncf.OverflowFix.ENABLE if int8_overflows() else None
    parameters = nncf.AdvancedQuantizationParameters(overflow_fix=fix)
    made = quantized(plain, samples, ignored, advanced_parameters=parameters)
    out.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(made, out, compress_to_fp16=False)


def weight_bits(written: Path) -> int:
    """Bits that the widest range of 8-bit weights in an OpenVINO file takes: 7 with NNCF's overflow fix, else 8."""
    constants = (node for node in read_model(written).get_ops() if node.get_type_name() == "Constant")
    eight = [node.get_data() for node in constants if node.get_element_type().get_type_name() == "i8"]
    return max((int(data.max()) - int(data.min())).bit_length() for data in eight if data.size)


def compress_openvino(model: Path, layers: Collection[str], group_size: int | None, out: Path) -> None:
    """Writes the ONNX file ``model`` with weights in 4 bit to ``out``; activations stay float, no data is needed.

    NNCF's ``compress_weights``: linears int4, symmetric, in groups (of ``group_size``, else 128, narrowed where that
    doesn't divide); convolutions, for which it has no 4 bit, asymmetric 8 bit per channel.

    Raises:
        InputError: OpenVINO isn't installed.
        RunError: OpenVINO can't read the model.
    """
    plain, ignored = _folded(model, layers)
    import nncf
    import openvino

    with redirect_stdout(io.StringIO()):
        made = nncf.compress_weights(
            plain,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            group_size=group_size or LARGEST,
            ratio=1.0,
            all_layers=True,
            ignored_scope=nncf.IgnoredScope(names=ignored, validate=False),
            advanced_parameters=nncf.AdvancedCompressionParameters(
                group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
            ),
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(made, out, compress_to_fp16=False)


def _folded(model: Path, layers: Collection[str]) -> tuple[openvino.Model, list[str]]:
    """The model for NNCF, and the names of what it is to leave alone."""
    plain = read_model(model)
    import nncf
    from openvino import passes

    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    # A third of the operations work out shapes, and biases of convolutions stand behind some, where NNCF doesn't see
    # them. With them folded, quantizing the demo's bk_tiny takes 15 instead of 40 s.
    folding.run_passes(plain)
    nncf.set_log_level(logging.ERROR)
    ignored = [
        node.get_friendly_name()
        for node in plain.get_ops()
        if node.get_type_name() not in ("Constant", "Parameter", "Result")
        and not (
            node.get_type_name() in PRODUCTS
            and weight_of(node) is not None
            and layer_of(onnx_name(node.get_friendly_name())) in layers
        )
    ]
    return plain, ignored


def _make(task: Task) -> dict[str, Any]:
    if not SCHEMES[task.config.scheme].integer_activations:
        compress_openvino(task.parent, task.chosen, task.config.group_size, task.out)
        return {}
    seen, summary = task.calibrate()
    quantize_openvino(task.parent, task.chosen, seen, task.out)
    return {"calibration": {**summary, "method": "nncf"}, "weight_bits_used": weight_bits(task.out)}


BACKEND = Backend(
    name="openvino",
    order=3,
    runtime="openvino",
    about="NNCF, in OpenVINO's own format, which OpenVINO alone runs",
    schemes=("w8a8", "w4a16"),
    make=_make,
    settings=frozenset({"group_size"}),
    denoiser_alone=True,
    spares_a_bit=True,
)
