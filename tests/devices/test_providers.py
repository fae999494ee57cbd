"""Which provider ran what, and what fell back to the CPU."""

from __future__ import annotations

import pytest

from workbench.devices.providers import CPU, on_cpu, parse_provider
from workbench.errors import InputError


def test_what_fell_back_is_named_the_most_frequent_first():
    ran = {"QNNExecutionProvider": {"Conv": 6.0}, CPU: {"Softmax": 1.0, "Gather": 3.0}}
    assert on_cpu(ran) == "40% of the kernels ran on the CPU: Gather, Softmax"
    many = {CPU: {f"Op{i}": 1.0 for i in range(9)}}
    assert on_cpu(many) == "100% of the kernels ran on the CPU: Op0, Op1, Op2, Op3, Op4, Op5 and 3 more"


def test_nothing_fell_back():
    assert on_cpu({"QNNExecutionProvider": {"Conv": 6.0}}) is None
    assert on_cpu({}) is None


def test_options_are_read_and_a_slip_is_named():
    found = parse_provider("qnn:backend_path=libQnnHtp.so,htp_performance_mode=burst")
    assert (found.name, dict(found.options)) == (
        "qnn",
        {"backend_path": "libQnnHtp.so", "htp_performance_mode": "burst"},
    )
    with pytest.raises(InputError, match="did you mean xnnpack"):
        parse_provider("xnnpak")
    with pytest.raises(InputError, match="needs NAME:KEY=VALUE"):
        parse_provider("qnn:backend_path")
