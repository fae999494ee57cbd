"""A pattern over layers answers in bounded time, whatever it is."""

from __future__ import annotations

import time

import pytest
from pydantic import TypeAdapter, ValidationError

from workbench.errors import InputError
from workbench.models.patterns import LONGEST_S, Pattern, matching

PAIRS = [(0, 1), (1, 2)]
LAYERS = [
    f"down_blocks.{i}.attentions.{j}.transformer_blocks.0.attn{k}.to_q" for i in range(40) for j, k in [(0, 1), (1, 2)]
]


def test_a_pattern_is_searched_anywhere_in_a_path() -> None:
    assert matching(r"blocks\.1\..*attn2", LAYERS) == [LAYERS[3]]
    assert matching("^attn", LAYERS) == []


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(([a-z_.0-9])+)+Z", "(?=(.*.*.*.*.*.*)Z)", "(.*)*(.*)*(.*)*[A-Z]", "(a|a|o|o|_)*Z"]
)
def test_a_pattern_that_backtracks_ends(pattern: str) -> None:
    TypeAdapter(Pattern).validate_python(pattern)
    start = time.process_time()
    try:
        assert matching(pattern, LAYERS) == []
    except InputError as error:
        assert "too long to match" in error.message
    assert time.process_time() - start < 4 * LONGEST_S


@pytest.mark.parametrize("pattern", ["(", "(((.{999}){999}){999}){999}", "((a{40,}){40})", "a" * 201, "[z-a]"])
def test_a_pattern_that_is_none_or_grows_without_bound_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Pattern).validate_python(pattern)
