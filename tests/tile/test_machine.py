"""Sizes and rates as they are typed; one clear error for everything else."""

from __future__ import annotations

import pytest

from workbench.errors import InputError
from workbench.tile.machine import parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6MB", 6_000_000),
        ("6MiB", 6_291_456),
        ("6 mb", 6_000_000),
        ("1.5MB", 1_500_000),
        ("512kB", 512_000),
        ("512KiB", 524_288),
        ("1GiB", 2**30),
        ("4096", 4096),
        ("4096B", 4096),
    ],
)
def test_a_size_is_decimal_unless_it_says_otherwise(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "6M",
        "6Mi",
        "",
        "MB",
        "-6MB",
        "0",
        "0.1B",
        "6 MB/s",
        "6XB",
        "six MB",
        "nan",
        "6MBB",
        "1e999",
        "1e999MB",
        "2TB",
        "1e30",
        "9" * 400,
    ],
)
def test_anything_else_is_one_error_that_says_what_would_do(text: str) -> None:
    with pytest.raises(InputError) as error:
        parse_size(text)
    first, *more = str(error.value).splitlines()
    assert first == f"--sram: found {text!r}; needs bytes, such as 6MB (6,000,000) or 6MiB (6,291,456), at most 1TB"
    assert more == ([f"  hint: did you mean {text}B?"] if text in ("6M", "6Mi") else [])


@pytest.mark.parametrize(
    ("text", "unit", "rate"),
    [("55GB/s", "B", 55e9), ("55GB", "B", 55e9), ("3.3T", "", 3.3e12), ("3.3e12", "", 3.3e12), ("47G/s", "", 47e9)],
)
def test_a_rate_is_per_second(text: str, unit: str, rate: float) -> None:
    assert parse_rate(text, "--rate", unit) == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("0", ""), ("fast", ""), ("3.3TMAC", ""), ("-1", "B"), ("1e999", ""), ("1e-300", ""), ("1e300", "B")],
)
def test_a_rate_of_nothing_or_beyond_reason_is_refused(text: str, unit: str) -> None:
    with pytest.raises(InputError, match=r"^--rate: found .*; needs a rate a second"):
        parse_rate(text, "--rate", unit)
