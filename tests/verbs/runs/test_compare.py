"""Two runs of a store on one page, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.small_run import run


def test_a_changed_step_is_seen_against_the_run_before(own_run: Path):
    run(own_run, "steps.1.quantize.calibration.steps=1")
    done = workbench("runs", "compare", "small@1", "small", "--store", "store", "--json", cwd=own_run)
    facts = json.loads(done.stdout)
    assert facts["pairs"] == [[name, name] for name in ("base", "pruned", "w8a8")] and len(facts["latencies"]) == 3
    page = (own_run / facts["page"]).read_text()
    assert facts["page"] == "reports/small@1-small@2.html" and "steps.1.quantize.calibration.steps" in page


@pytest.mark.parametrize(("b", "says"), [("small@1", "are the same run, small@1"), ("smal", "did you mean small?")])
def test_a_run_is_not_compared_with_itself_or_with_none(small_run: Path, b: str, says: str):
    done = workbench("runs", "compare", "small", b, "--store", "store", cwd=small_run)
    assert done.exit_code == 2 and says in done.stderr
