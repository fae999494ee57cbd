"""A calibration that is killed goes on with the next prompt and ends with the same file."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from workbench.compress.quantize.calibration import resume
from workbench.compress.quantize.config import QuantizeConfig
from workbench.compress.quantize.step import quantize
from workbench.compress.registry import StepContext
from workbench.progress import quiet
from workbench.store.files import hashes


@pytest.mark.parametrize(
    "config",
    [
        {"scheme": "w8a8", "rounding": "gptq"},
        {"scheme": "w8a16", "calibration": {"method": "moving_average"}},
        {"scheme": "w8a8", "components": ["vae_decoder"]},
    ],
    ids=lambda config: "-".join(map(str, config.values())),
)
def test_a_killed_calibration_resumes_with_the_next_prompt_and_ends_with_the_same_file(
    tiny, shared, tmp_path, monkeypatch, config
):
    monkeypatch.setattr(resume, "EVERY_S", 0.0)
    monkeypatch.setattr(resume, "TIMES", 0)
    asked = QuantizeConfig.model_validate(
        {**config, "calibration": {**config.get("calibration", {}), "prompts": 3, "steps": 2}}
    )
    ticks: list[int] = []

    def killed_after(most: int):
        @contextmanager
        def progress(what, _total, _weights=()):
            def tick(done, _note=""):
                if what.startswith("calibrate"):
                    if done > most:
                        raise KeyboardInterrupt
                    ticks.append(done)

            yield tick

        return progress

    def context(name, progress=quiet):
        out = tmp_path / name
        out.mkdir(exist_ok=True)
        return StepContext(tiny, tiny, 0, None, out, tmp_path / f"{name}_state", progress, shared.export)

    quantize(context("whole"), asked)
    each = 1 if "components" in config else 4  # two steps, with the prompt and without
    with pytest.raises(KeyboardInterrupt):
        quantize(context("cut", killed_after(2 * each)), asked)
    ticks.clear()
    quantize(context("cut", killed_after(3 * each)), asked)
    assert ticks == [2 * each, *range(2 * each + 1, 3 * each + 1)], "two of three prompts were done"
    assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")
