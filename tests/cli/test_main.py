"""How the command answers and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.command import COMMAND, EMBEDDED, environment, process, workbench
from workbench import __version__


def test_help_names_every_verb_and_loads_nothing_heavy() -> None:
    heavy = {
        "torch",
        "diffusers",
        "onnx",
        "onnxruntime",
        "pydantic",
        "yaml",
        "rich",
        "numpy",
        "pandas",
        "huggingface_hub",
    }
    code = (
        "import sys; sys.argv[1:] = ['--help']; from workbench.cli.main import app\n"
        f"try: app()\nexcept SystemExit: print(sorted({heavy} & {{*sys.modules}}))"
    )
    done = process([sys.executable, "-c", code])

    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    for verb in ("run", "check", "profile", "compare", "count", "devices", "sample", "schema", "train-demo"):
        assert f"\n  {verb} " in done.stdout


@pytest.mark.parametrize(
    "verb", ["run", "check", "profile", "compare", "count", "devices", "sample", "schema", "train-demo"]
)
def test_every_verb_prints_json(verb: str) -> None:
    assert "--json" in workbench(verb, "--help").stdout


def test_version() -> None:
    assert workbench("--version").stdout == f"workbench {__version__}\n"


def test_schema_is_json_schema_and_refuses_unknown_keys_at_every_level() -> None:
    schema = json.loads(workbench("schema").stdout)
    levels = [schema, *schema["$defs"].values()]
    assert schema["title"] == "Recipe"
    assert {level["additionalProperties"] for level in levels} == {False}
    assert {"remove_blocks", "distill", "quantize"} <= set(schema["$defs"]["StepEntry"]["properties"])


def test_check_prints_json_alone(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("version: 1\nname: x\nmodel: demo\nsteps: [remove_blocks: {layout: bk-tiny}]\n")
    done = workbench("check", "r.yaml", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["stored"] == {"bk_tiny": False}
    told = [line for line in done.stderr.splitlines() if not line.startswith("  check: ")]
    assert (done.exit_code, told) == (0, [])


@pytest.mark.parametrize("recipe", EMBEDDED, ids=lambda recipe: recipe.stem)
def test_every_recipe_of_the_project_can_be_run(recipe: Path, tmp_path: Path) -> None:
    done = workbench("check", str(recipe), "--store", str(tmp_path / "store"))
    told = [line for line in done.stderr.splitlines() if not line.startswith("  check: ")]
    assert (done.exit_code, told) == (0, [])


def test_an_unknown_verb_is_told_what_was_meant() -> None:
    done = workbench("chekc")
    assert "No such command 'chekc'. Did you mean 'check'" in done.stderr
    assert done.exit_code == 2


def test_a_name_that_no_disk_takes_is_bad_input(tmp_path: Path) -> None:
    for verb in ("check", "run", "profile", "count", "tile"):
        done = workbench(verb, "x" * 3000, cwd=tmp_path)
        assert done.exit_code == 2 and done.stderr.startswith("error: "), (verb, done.stderr)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGINT, "interrupted; finished steps are kept, run it again to resume\n"),
        (signal.SIGTERM, "ended; finished steps are kept, run it again to resume\n"),
        (signal.SIGHUP, "its terminal was closed; finished steps are kept, run it again to resume\n"),
    ],
)
def test_a_signal_ends_with_its_number_and_one_line(number: signal.Signals, said: str) -> None:
    code = """
import time
from workbench.cli import main

@main.app.command()
def waits():
    print("waits", flush=True)
    time.sleep(600)

main.sys.argv = ["workbench", "waits"]
main.main()
"""
    done = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore the signal, and hand that down to what they start.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    assert done.stdout is not None and done.stderr is not None
    assert done.stdout.readline() == "waits\n"
    done.send_signal(number)
    assert done.wait(timeout=60) == 128 + number
    assert done.stderr.read() == said


def test_an_ignored_hang_up_stays_ignored() -> None:
    code = """
import signal
from workbench.cli import main

main.app = lambda **_: print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)
main.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert done.stdout == "True\n"


def test_a_signal_ends_what_was_started(tmp_path: Path) -> None:
    code = """
import subprocess, sys, time
from workbench.cli import main

@main.app.command()
def waits():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    child.wait()

sys.argv = ["workbench", "waits"]
main.main()
"""
    done = subprocess.Popen([sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    child = int(done.stdout.readline())
    done.terminate()
    assert done.wait(timeout=60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = process([*COMMAND, "schema"], capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sample", "r.yaml", "--candidate", "base", "--prompt", "x", "-o", "x.png"], "error: r.yaml: no such file"),
        (
            ["train-demo", "--pictures", "p", "--out", "o", "--steps", "unet=0"],
            "error: --steps unet=0: needs STAGE=N with N ≥ 1",
        ),
    ],
)
def test_bad_input_of_other_verbs_is_one_line(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = workbench(*arguments, cwd=tmp_path)
    assert done.stderr.startswith(told)
    assert len(done.stderr.splitlines()) == 1
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []
