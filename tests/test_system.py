"""Other systems than Linux: what can't work there is said by name at once, what /proc tells comes from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.command import process
from workbench.store import memory
from workbench.store.scratch import locked
from workbench.system import peaks

WINDOWS = """
import platform, signal, sys
sys.modules["fcntl"] = sys.modules["resource"] = None
for name in ("SIGHUP", "pthread_sigmask"):
    delattr(signal, name)
platform.system = lambda: "Windows"
"""
"""Takes from Python what it lacks there."""


def on_windows(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return process([sys.executable, "-c", WINDOWS + code], cwd=cwd)


@pytest.mark.parametrize("verb", ["check bk_tiny_w8a8", "run bk_tiny_w8a8", "init", "profile demo", "devices"])
def test_without_locks_every_verb_says_so_at_once(verb, tmp_path):
    done = on_windows(f"sys.argv[1:] = {verb.split()!r}\nfrom workbench.cli.main import main\nmain()", tmp_path)
    told = "error: Windows has no locks of files (Python's fcntl), without which nothing is written here\n"
    assert done.stderr.startswith(told) and done.stderr.count("\n") == 2
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])


def test_without_locks_help_and_python_answer(tmp_path):
    helped = on_windows("sys.argv[1:] = ['--help']\nfrom workbench.cli.main import main\nmain()", tmp_path)
    assert (helped.returncode, "  check " in helped.stdout) == (0, True)
    locks = "from workbench.store.store import Store\nwith Store('s').lock(): pass"
    code = f"import workbench as wb\ntry: exec({locks!r})\nexcept wb.InputError as error: print(error.message)"
    done = on_windows(code, tmp_path)
    assert done.stdout.startswith("Windows has no locks of files"), done.stderr


def test_a_lock_is_for_one_process_and_ends_with_it(tmp_path):
    holds = (
        "import sys; from pathlib import Path; from workbench.store.scratch import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holds, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError), locked(tmp_path / "lock"):
            pass
        other.kill()
    with locked(tmp_path / "lock"):
        pass


def test_without_proc_memory_is_told_by_psutil(tmp_path, monkeypatch):
    block = b"x" * 50_000_000
    child = [sys.executable, "-c", "x = b'x' * 30_000_000; print(flush=True); import sys; sys.stdin.read()"]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline()
        by_linux = memory.resident(), memory.of_children()
        monkeypatch.setattr(memory, "_PROCESSES", tmp_path / "none")
        now, peak, others = memory.resident(), memory.resident("VmHWM"), memory.of_children()
        other.kill()
    assert now == pytest.approx(by_linux[0], rel=0.1) and others == pytest.approx(by_linux[1], rel=0.1)
    assert peaks()[0] >= peak > 0.9 * now > len(block)  # the kernel adds up now and then
    assert memory.resident(process=other.pid) is None
    assert memory.forget_peak() is False


def test_peaks_are_bytes():
    assert len(b"x" * 1_000_000) < peaks()[0] < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
