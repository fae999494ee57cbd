"""A shell completes verbs, options and recipes: bash itself is asked, as it is after ``--install-completion``."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import pytest

from tests.fixtures.command import COMMAND, environment, process

ASKED = """
eval "$(workbench --show-completion bash)"
COMP_WORDS=({words}); COMP_CWORD={last}
{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a user types: the command on the path, some files here."""
    command = tmp_path / "bin" / "workbench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    here = tmp_path / "here"
    (here / "models").mkdir(parents=True)
    for name in ("mine.yaml", "notes.txt"):
        (here / name).touch()
    return here


def completed(folder: Path, *words: str) -> list[str]:
    path = os.pathsep.join((str(folder.parent / "bin"), os.environ["PATH"]))
    asked = ASKED.format(words=shlex.join(words), last=len(words) - 1, function="_workbench_completion workbench")
    env = environment(PATH=path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")  # it would ask the parent's name
    done = process(["bash", "-c", asked], cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("workbench", "comp"), ["compare"]),
        (("workbench", "run", "bk_tiny_w8a8"), ["bk_tiny_w8a8", "bk_tiny_w8a8_openvino", "bk_tiny_w8a8_qat"]),
        (("workbench", "check", "m"), ["mine.yaml", "models/"]),
        (("workbench", "check", "./m"), ["./mine.yaml", "./models/"]),
        (("workbench", "sample", "two_steps", "--guid"), ["--guidance-scale"]),
    ],
    ids=" ".join,
)
def test_bash_completes(words, wanted, folder):
    assert completed(folder, *words) == wanted
