"""The prompts that all candidates are asked."""

from __future__ import annotations

import pytest

from workbench.errors import InputError
from workbench.evaluate.prompts import choose_prompts


def test_of_no_captions_none_can_be_chosen():
    with pytest.raises(InputError, match="no captions"):
        choose_prompts([], 3, seed=0)
    assert choose_prompts([], 0, seed=0) == []


def test_prompts_do_not_repeat_before_all_were_used():
    chosen = choose_prompts(["a", "b", "c"], 5, seed=0)
    assert sorted(chosen[:3]) == ["a", "b", "c"] and len(chosen) == 5
    assert chosen == choose_prompts(["a", "b", "c"], 5, seed=0)
    assert chosen[:4] == choose_prompts(["a", "b", "c"], 4, seed=0)
