"""Files as they are in the wild, given to the verbs that measure: what can't be measured is one sentence."""

from __future__ import annotations

import importlib.util
import re

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.wild_onnx import CASES
from workbench.runtimes.base import all_described
from workbench.sources import shapes

READERS = [one.name for one in all_described() if ".onnx" in one.reads and importlib.util.find_spec(one.distribution)]
REFUSED = [(READERS[0], name) for name, case in CASES.items() if case.refused]
FAIL = [(place, name) for place in READERS for name, case in CASES.items() if getattr(case, place)]


@pytest.fixture(scope="module", autouse=True)
def _one_store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STORE", str(tmp_path_factory.mktemp("store")))
        yield


def check(done, code, said, path):
    assert (done.exit_code, done.stdout) == (code, "")
    sentence, *hints = done.stderr.splitlines()
    assert sentence.startswith("error: ") and path.name in sentence and re.search(said, sentence)
    assert [hint[:8] for hint in hints] in ([], ["  hint: "])


@pytest.mark.parametrize(("place", "name"), REFUSED + FAIL)
def test_what_can_not_be_measured_is_one_sentence(tmp_path, place, name):
    case = CASES[name]
    path, (code, said) = case.write(tmp_path, name), getattr(case, place) or (2, case.refused)
    asked = [f"--shape={name}={shapes.written(sides)}" for name, sides in case.shapes.items()]
    asked += ["--runtime", place, "--json", "--threads", "1", "--out", str(tmp_path / "out")]
    quick = ["--iterations", "3", "--min-seconds", "0"]
    check(workbench("profile", str(path), *asked, *quick, cwd=tmp_path), code, said, path)
    check(workbench("compare", str(path), str(path), *asked, cwd=tmp_path), code, said, path)
    assert not list((tmp_path / "out").glob("*"))
