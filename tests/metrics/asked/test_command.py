"""A user's own scorer: a real program, with right scores and in every way that one goes wrong."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.metrics.asked.folders import pictures, told
from workbench.errors import RunError
from workbench.metrics.asked.command import Command
from workbench.metrics.drawn import Drawn

BRIGHTNESS = """
import json, sys
from pathlib import Path
from PIL import Image, ImageStat
*words, folder, prompts = sys.argv[1:]
rows = json.loads(Path(prompts).read_text())
means = [sum(ImageStat.Stat(Image.open(Path(folder) / row["picture"])).mean) / 3 for row in rows]
assert words == ["--scale", "255"] and [row["prompt"] for row in rows] == [f"prompt {i}" for i in range(len(rows))]
print(json.dumps({"scores": [mean / float(words[1]) for mean in means]}))
"""
DRAWN = Drawn(pictures(5), [f"prompt {i}" for i in range(5)])


def scorer(folder: Path, code: str, **more) -> Command:
    script = folder / "score.py"
    script.write_text(code)
    return Command(name="bright", program=sys.executable, script=str(script), **more)


def test_a_scripts_scores_are_the_pictures(tmp_path):
    config = scorer(tmp_path, BRIGHTNESS, arguments=["--scale", "255"], unit="share")
    assert told(config) == []
    metric = config.metric("bright")
    found = metric.measure(DRAWN)
    assert found["by_picture"] == pytest.approx(DRAWN.pictures.mean((1, 2, 3)) / 255, abs=1e-5)
    assert found["value"] == pytest.approx(np.mean(found["by_picture"]), abs=1e-5) and metric.protocol == "by score.py"
    assert tmp_path / "score.py" in metric.files and metric.about == {
        "program": sys.executable,
        "arguments": ["--scale", "255"],
    }


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; sys.exit('no weights at /models')", "ended with 1: no weights at /models"),
        ("import os; os._exit(3)", "ended with 3: it said nothing"),
        ("print('0.5 0.6')", "printed no JSON: '0.5 0.6'"),
        ("pass", "printed no JSON: ''"),
        ("print([1, 2, 3, 4, 5])", "printed [1, 2, 3, 4, 5]"),
        ("print('{\"scores\": [1, 2]}')", 'printed {"scores": [1, 2]}'),
        ("print('{\"scores\": [1, 2, 3, 4, NaN]}')", "scored a picture with what is no finite number"),
        ("print('{\"scores\": [1, 2, 3, 4, true]}')", "scored a picture with what is no finite number"),
        ('print(\'{"scores": [1, 2, 3, 4, "5"]}\')', "scored a picture with what is no finite number"),
    ],
)
def test_a_script_that_goes_wrong_is_named_with_what_it_said(tmp_path, code, says):
    with pytest.raises(RunError) as failed:
        scorer(tmp_path, code).metric("bright").measure(DRAWN)
    assert failed.value.message.startswith("evaluate.metrics: bright: ") and says in failed.value.message
    assert "ended with" in says or failed.value.hint == 'needs {"scores": [5 numbers]} on its output'


def test_a_script_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with open({str(tmp_path / "pids")!r}, "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(60)
"""
    with pytest.raises(RunError, match=r"took more than 0\.5 s"):
        scorer(tmp_path, code, timeout_s=0.5).metric("bright").measure(DRAWN)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    until = time.monotonic() + 10
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert len(pids) == 2 and not any(map(running, pids))


def running(pid: int) -> bool:
    """Whether it still does something: an orphan that nobody has buried yet doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_program_or_script_that_is_not_there_is_found_before_any_work(tmp_path):
    gone = Command(name="bright", program="no-such-scorer", script=str(tmp_path / "gone.py"))
    assert [what.partition(":")[0] for what in told(gone)] == ["program", "script"]
    assert gone.metric("bright").protocol == "by gone.py", "a report of it can still be read"


def test_a_program_below_the_current_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "score").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert "needs its whole path" in " ".join(told(Command(name="bright", program="bin/score")))


def test_a_program_of_another_environment_does_not_get_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    code = "import os, json; print(json.dumps({'scores': [float('PYTHONPATH' in os.environ)] * 5}))"
    assert scorer(tmp_path, code).metric("bright").measure(DRAWN)["value"] == 0 and os.environ["PYTHONPATH"] == "/ours"
