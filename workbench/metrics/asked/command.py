"""A metric by a program of the user's: pictures and prompts in, a score for each picture out.

For scorers that can't share our environment (HPSv2 and v3, ImageReward, VQAScore). The program is started as
``PROGRAM [SCRIPT] [ARGUMENTS…] PICTURES PROMPTS.json``, where PICTURES is a folder of PNG files and PROMPTS.json a list
of ``{"picture": "000.png", "prompt": "…"}``; it prints ``{"scores": [0.31, …]}``, in that order.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from workbench.errors import RunError
from workbench.metrics.base import Metric, Sample
from workbench.metrics.config import MetricConfig, MetricName
from workbench.metrics.drawn import Drawn
from workbench.strict import RecipePath

_SHOWN = 500
"""Characters of a program's words that an error repeats."""
_NOT_PASSED = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""They say where our own environment is, and a program in another one would take them for its own."""


class Command(MetricConfig):
    """Scores by a program with an environment of its own: pictures and prompts in, JSON out."""

    name: MetricName = Field(description="Its name among the scores.")
    program: str = Field(min_length=1, max_length=4096, description="A program on the PATH, or its whole path.")
    script: RecipePath | None = Field(None, description="Its first argument, a file.")
    arguments: list[str] = Field(default_factory=list, max_length=100, description="What it is told before the files.")
    unit: str = Field("", max_length=20)
    better: Literal["high", "low"] = "high"
    timeout_s: float = Field(3600.0, gt=0, le=604_800, description="It is killed after so many seconds.")
    protocol: str = Field("", max_length=200, description="What the report says of how it scores.")

    def metric(self, name: str) -> Metric:
        """A score for every picture."""
        program, files = shutil.which(self.program), [Path(self.script)] if self.script else []
        return Metric(
            name=name,
            label=name,
            unit=self.unit,
            better=self.better,
            order=100,
            per_picture=True,
            about={"program": self.program, "arguments": self.arguments},
            files=tuple(file for file in [Path(program).resolve() if program else None, *files] if file),
            protocol=self.protocol or f"by {Path(self.script or self.program).name}",
            compute=_Run(self, name),
        )

    def problems(self, _pictures: int) -> Iterator[tuple[str, str]]:
        """A program or script that isn't there."""
        if shutil.which(self.program) is None:
            yield "program", f"found {self.program!r}, no program; needs one on the PATH, or its whole path"
        elif "/" in self.program and not Path(self.program).is_absolute():
            yield "program", f"found {self.program!r}, which depends on the current folder; needs its whole path"
        if self.script is not None and not Path(self.script).is_file():
            yield "script", f"found {self.script!r}, no such file"


CONFIG = Command


@dataclass(frozen=True)
class _Run:
    config: Command
    name: str

    def __call__(self, drawn: Drawn) -> Sample:
        from PIL import Image

        with tempfile.TemporaryDirectory() as scratch:
            pictures, prompts = Path(scratch) / "pictures", Path(scratch) / "prompts.json"
            pictures.mkdir()
            rows = [{"picture": f"{i:06d}.png", "prompt": prompt} for i, prompt in enumerate(drawn.prompts)]
            for row, picture in zip(rows, drawn.pictures, strict=True):
                Image.fromarray(picture).save(pictures / row["picture"])
            prompts.write_text(json.dumps(rows))
            return Sample(self._scores(self._output(pictures, prompts), len(rows)))

    def _output(self, pictures: Path, prompts: Path) -> str:
        config = self.config
        script = [config.script] if config.script else []
        command = [config.program, *script, *config.arguments, str(pictures), str(prompts)]
        passed = {key: value for key, value in os.environ.items() if key not in _NOT_PASSED}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=passed, start_new_session=True
        ) as process:
            try:
                out, err = process.communicate(timeout=config.timeout_s)
            except subprocess.TimeoutExpired:
                _kill(process)
                raise self._failed(
                    f"took more than {config.timeout_s:g} s", "raise timeout_s, or score fewer pictures"
                ) from None
            except BaseException:
                _kill(process)
                raise
        if process.returncode:
            raise self._failed(f"ended with {process.returncode}: {err.strip()[-_SHOWN:] or 'it said nothing'}")
        return out

    def _scores(self, out: str, count: int) -> np.ndarray:
        needed = f'needs {{"scores": [{count} numbers]}} on its output'
        try:
            said: Any = json.loads(out)
        except json.JSONDecodeError:
            raise self._failed(f"printed no JSON: {out.strip()[:_SHOWN]!r}", needed) from None
        scores = said.get("scores") if isinstance(said, Mapping) else None
        if not isinstance(scores, list) or len(scores) != count:
            raise self._failed(f"printed {out.strip()[:_SHOWN]}", needed)
        if not all(isinstance(s, int | float) and not isinstance(s, bool) and math.isfinite(s) for s in scores):
            raise self._failed("scored a picture with what is no finite number", needed)
        return np.asarray(scores, np.float64)

    def _failed(self, what: str, hint: str | None = None) -> RunError:
        return RunError(f"evaluate.metrics: {self.name}: {Path(self.config.program).name} {what}", hint=hint)


def _kill(process: subprocess.Popen[str]) -> None:
    """With all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
