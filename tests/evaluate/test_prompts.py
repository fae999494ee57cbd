"""The prompts that all candidates are asked."""

from __future__ import annotations

from workbench.evaluate.prompts import choose_prompts


def test_prompts_do_not_repeat_before_all_were_used():
    chosen = choose_prompts(["a", "b", "c"], 5, seed=0)
    assert sorted(chosen[:3]) == ["a", "b", "c"] and len(chosen) == 5
    assert chosen == choose_prompts(["a", "b", "c"], 5, seed=0)
    assert chosen[:4] == choose_prompts(["a", "b", "c"], 4, seed=0)
