"""Files as they are in the wild: each is counted right by ``count --json``, or refused with one sentence."""

from __future__ import annotations

import json
import re

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.wild_onnx import CASES
from workbench.sources import shapes


def counted(case, path, *more):
    options = [f"--shape={name}={shapes.written(sides)}" for name, sides in case.shapes.items()]
    return workbench("count", str(path), "--json", *options, *more, cwd=path.parent)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.refused])
def test_a_file_is_counted_right(tmp_path, name):
    case = CASES[name]
    done = counted(case, case.write(tmp_path, name))
    assert (done.exit_code, done.stderr) == (0, "")
    count = json.loads(done.stdout)["components"]["model"]
    assert (count["macs"], count["attention_macs"], count["uncounted"]) == (case.macs, case.attention, case.uncounted)
    assert case.params is None or count["params"] == case.params
    assert len(count["notes"]) == case.notes
    assert all("both are counted" in note for note in count["notes"])
    assert all(layer["layer"].isprintable() for layer in count["layers"])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.refused])
def test_a_file_that_nothing_could_run_is_bad_input(tmp_path, name):
    case = CASES[name]
    path = case.write(tmp_path, name)
    done = counted(case, path)
    assert (done.exit_code, done.stdout) == (2, "")
    message, *hints = done.stderr.splitlines()
    assert message.startswith("error: ") and path.name in message and re.search(case.refused, message)
    assert [hint[:8] for hint in hints] in ([], ["  hint: "])


@pytest.mark.parametrize(
    ("name", "node", "then", "other"),
    [
        ("a_branch_by_the_data", "If(y)", "256", "512"),
        ("a_branch_in_a_scan_in_a_loop", "If(hn)", "7,680", "15,360"),
        ("a_loop_and_a_scan_in_branches", "If(y)", "1,280", "3,072"),
    ],
)
def test_both_branches_are_told_with_what_each_multiplies(tmp_path, name, node, then, other):
    done = workbench("count", str(CASES[name].write(tmp_path, "model")), cwd=tmp_path)
    assert (
        f"model.model: {node}: the data choose the branch; both are counted, {then} MACs in its then_branch "
        f"and {other} MACs in its else_branch\n" in done.stdout
    )


def test_an_attention_of_a_wild_file_is_looked_for_without_a_traceback(tmp_path):
    for name in ("sparse_weights", "a_function", "a_loop_of_five_rounds", "qoperator_mlp", "names_for_a_terminal"):
        done = workbench("tile", str(CASES[name].write(tmp_path, name)), cwd=tmp_path)
        assert done.exit_code == 2 and "has no attention that can be modelled" in done.stderr
