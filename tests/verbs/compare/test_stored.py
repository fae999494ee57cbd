"""Damaged profiles: whatever stands in one, the gate never passes on it and nothing is compared by it."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.verbs.compare.test_compare import profile
from workbench.cli.main import app
from workbench.comparing.comparison import Comparison
from workbench.errors import InputError
from workbench.verbs.compare.stored import compare_stored

STRANGE = (math.nan, math.inf, -math.inf, -1, 0, 1e300, 1e-300, 10**400, True, None, "5", [], {}, [math.nan])


def with_value(summary: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(summary)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key of a summary; of a list the last entry."""
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[-1:] if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def compared(a: Path, b: Path, summary: dict[str, Any]) -> Comparison | None:
    b.write_text(json.dumps(summary))
    try:
        return compare_stored(a, b, None)
    except InputError:
        return None


def test_no_value_anywhere_gives_a_traceback_or_a_ratio_that_is_no_number(tmp_path: Path) -> None:
    a, b = profile(tmp_path, "a"), profile(tmp_path, "b", 1.3)
    summary = json.loads(b.read_text())
    for i, path in enumerate(places(summary)):
        for value in (math.nan, STRANGE[1 + i % (len(STRANGE) - 1)]):
            done = compared(a, b, with_value(summary, path, value))
            for each in done.components if done else ():
                ends = (each.ratio.low, each.ratio.value, each.ratio.high, each.a_ms, each.b_ms)
                assert all(math.isfinite(end) and end > 0 for end in ends), (path, value, each)
            if done and path[:2] != ("components", "unet"):
                assert "unet" in [c.component for c in done.regressions(0.05)], (path, value)


PASS, LAYER = ("latency_ms", "samples", 3), ("layer_samples_ms", "big", 3)
"""A time of a whole pass, and of a layer, which may be too short for the runtime's clock."""


@pytest.mark.parametrize(
    ("path", "value"),
    [(path, v) for path in (PASS, LAYER) for v in STRANGE if v != [] and (path == PASS or v not in (0, 1e-300))],
    ids=lambda part: f"{part[0] if isinstance(part, tuple) else part!r:.14}",
)
def test_a_strange_time_is_named_and_never_passes_the_gate(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    a, b = profile(tmp_path, "a"), profile(tmp_path, "b")
    b.write_text(json.dumps(with_value(json.loads(b.read_text()), ("components", "unet", *path), value)))
    done = CliRunner().invoke(app, ["compare", str(a), str(b), "--fail-above", "5%"])
    assert done.exit_code == 2, done.output
    assert f"components.unet.{'.'.join(map(str, path))}: found " in done.stderr
