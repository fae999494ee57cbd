"""Drawn pairs: prompts, seeds, what evaluation asks, going on after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.data.scenes import scene
from workbench.data.forms import read_rows
from workbench.data.sets import Synthesize
from workbench.data.synthesize import HeldOut, prompts_of
from workbench.errors import InputError


class Teacher:
    """Draws noise of the seed it is given, and remembers its calls."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.calls: list[tuple[list[str], int, float, int]] = []
        self.fails_at = fails_at

    def __call__(self, prompts: Sequence[str], steps: int, guidance_scale: float, seed: int) -> np.ndarray:
        if len(self.calls) == self.fails_at:
            raise KeyboardInterrupt
        self.calls.append((list(prompts), steps, guidance_scale, seed))
        return np.random.default_rng(seed).integers(0, 256, (len(prompts), 16, 16, 3), dtype=np.uint8)


def drawn(prompts, **more):
    return {"name": "drawn", "synthesize": {"prompts": prompts, **more}}


def test_prompts_are_every_combination_of_every_template(tmp_path: Path):
    (tmp_path / "things.txt").write_text("cat\n\ndog\n")
    words = {"thing": str(tmp_path / "things.txt"), "colour": ["red", "blue"]}
    templates = ["a {colour} {thing}", "{thing}, only a {thing}"]
    settings = Synthesize.model_validate({"prompts": {"templates": templates, "words": words}})
    assert prompts_of(settings, []) == [
        "a red cat",
        "a red dog",
        "a blue cat",
        "a blue dog",
        "cat, only a cat",
        "dog, only a dog",
    ]


def test_what_evaluation_asks_is_never_drawn_however_it_is_written():
    held_out = HeldOut(["Red apple on a plate.", "cat"])
    assert "red apple on a plate" in held_out and "a picture of a red apple on a plate" in held_out
    assert "Cat" in held_out and "a cat" not in held_out and "red apple on the plate" not in held_out


def test_all_prompts_are_used_before_one_is_used_again(made, tmp_path):
    (tmp_path / "p.txt").write_text("a\nb\nc\na\nkept apart\n")
    teacher = Teacher()
    settings = drawn(str(tmp_path / "p.txt"), count=40, steps=7, guidance_scale=2.5)
    out, manifest = made(settings, draw=teacher, held_out=["Kept apart!"])
    texts = [row.text for row in read_rows(out)]
    assert len(texts) == 40 and all(set(texts[i : i + 3]) == {"a", "b", "c"} for i in range(0, 39, 3))
    assert [(len(p), steps, guidance) for p, steps, guidance, _ in teacher.calls] == [
        (16, 7, 2.5),
        (16, 7, 2.5),
        (8, 7, 2.5),
    ]
    assert len({seed for *_, seed in teacher.calls}) == 3
    record = manifest["operations"][0]
    assert (record["prompts"], record["prompts_held_out"], record["prompts_used"], record["left"]) == (4, 1, 3, 40)
    assert record["settings"]["guidance_scale"] == 2.5 and record["settings"]["steps"] == 7
    assert manifest["pictures"] == {"total": 40, "train": 40}


def test_captions_of_a_set_are_drawn_and_its_held_out_rows_come_along(folder, made):
    mine = folder({"a.png": (scene(1), "a"), "h.png": (scene(2), "h", "held_out"), "leak.png": (scene(3), "H")})
    raw, _ = made({"name": "raw", "from": str(mine)})
    out, manifest = made(drawn({"captions_of": "raw"}), {"raw": raw}, draw=Teacher())
    table = read_rows(out)
    assert [(row.text, row.split) for row in table] == [("a", "train"), ("h", "held_out")]
    assert manifest["operations"][0]["prompts_held_out"] == 1
    assert (out / "pictures" / "h.png").read_bytes() == (mine / "h.png").read_bytes()


def test_a_killed_drawing_resumes_with_the_next_batch_and_ends_the_same(made, tmp_path):
    (tmp_path / "p.txt").write_text("\n".join(f"prompt {i}" for i in range(40)))
    whole, _ = made({**drawn(str(tmp_path / "p.txt")), "name": "whole"}, draw=Teacher())
    with pytest.raises(KeyboardInterrupt):
        made(drawn(str(tmp_path / "p.txt")), draw=Teacher(fails_at=2))
    rest = Teacher()
    out, _ = made(drawn(str(tmp_path / "p.txt")), draw=rest)
    assert len(rest.calls) == 1
    assert (out / "metadata.jsonl").read_bytes() == (whole / "metadata.jsonl").read_bytes()
    assert [a.picture.read() for a in read_rows(out)] == [b.picture.read() for b in read_rows(whole)]


def test_no_teacher_and_no_prompts_are_one_error_each(made, tmp_path):
    (tmp_path / "p.txt").write_text("a\n")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="nothing can draw: 'base'"):
        made(drawn(str(tmp_path / "p.txt")))
    with pytest.raises(InputError, match=r"empty.txt: empty"):
        made(drawn(str(tmp_path / "empty.txt")), draw=Teacher())
    with pytest.raises(InputError, match="no prompts: all 1 are held out"):
        made(drawn(str(tmp_path / "p.txt")), draw=Teacher(), held_out=["A"])
