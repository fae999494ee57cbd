"""Changes of precision: kernels that do only that, by what they turn into what."""

from __future__ import annotations

from workbench.measure.layers import Transition
from workbench.runtimes.onnxruntime.layers import transitions
from workbench.runtimes.onnxruntime.trace import Kernel, Pass


def kernel(op, before, after, microseconds):
    return Kernel("n", op, 0, 0, microseconds, microseconds, 0, (), before, after)


def test_only_what_is_there_to_change_the_precision_counts():
    def one(scale):
        return Pass(
            1000,
            [
                kernel("QuantizeLinear", "float", "uint8", 100 * scale),
                kernel("DynamicQuantizeLinear", "float", "uint8", 50 * scale),
                kernel("QGemm", "uint8", "float", 900 * scale),  # multiplies, and writes floats on the way
                kernel("DequantizeLinear", "uint8", "float", 20 * scale),
                kernel("Cast", "float", "float16", 500 * scale),
                kernel("Cast", "int64", "float", 70 * scale),  # an index is no precision
                kernel("Greater", "float", "bool", 70 * scale),
                kernel("QLinearConcat", "float", "uint8", 70 * scale),  # its first input is a scale
                kernel("Relu", "float", "float", 70 * scale),
            ],
        )

    assert transitions([one(1), one(3), one(2)]) == (
        Transition("fp32", "fp16", 1, 1.0),
        Transition("fp32", "uint8", 2, 0.3),
        Transition("uint8", "fp32", 1, 0.04),
    )
    assert transitions([Pass(1, [kernel("Relu", "float", "float", 1)])]) == ()
