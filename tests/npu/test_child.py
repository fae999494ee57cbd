"""The compiler's process: a crash, a hang and a refusal are told with the log, and take nothing along."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.fixtures.qnn import TARGET, needs_qnn
from workbench.errors import RunError
from workbench.npu.child import LOG, work
from workbench.npu.worker import Job


def job(model: Path) -> Job:
    return Job(str(model), TARGET.soc.soc_model, TARGET.soc.htp_arch, TARGET.mode, {})


def strike(number: int) -> threading.Thread:
    """A signal for the first worker that this process starts."""

    def wait() -> None:
        while True:
            for child in psutil.Process().children():
                with suppress(psutil.Error):
                    if "workbench.npu.worker" in child.cmdline():
                        os.kill(child.pid, number)
                        return
            time.sleep(0.005)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_crash_is_told_by_its_signal_and_the_log_is_kept(tmp_path):
    strike(signal.SIGSEGV)
    with pytest.raises(RunError, match=rf"crashed \(SIGSEGV\); its log: {tmp_path / LOG}"):
        work(job(tmp_path / "none.onnx"), tmp_path, 60)
    assert (tmp_path / LOG).is_file()


def test_a_hang_is_ended_at_the_deadline(tmp_path):
    strike(signal.SIGSTOP)
    with pytest.raises(RunError, match=r"was ended after 1 s") as told:
        work(job(tmp_path / "none.onnx"), tmp_path, 1)
    assert told.value.hint == "--timeout gives it longer"
    assert psutil.Process().children() == []


@needs_qnn
def test_a_file_that_the_compiler_cant_read_is_told_with_its_own_words(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(RunError, match=r"Qualcomm's compiler failed: .*[Pp]rotobuf"):
        work(job(tmp_path / "model.onnx"), tmp_path, 60)
