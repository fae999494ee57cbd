"""Where adb is looked for, and what it says when it fails."""

from __future__ import annotations

import pytest

from workbench.devices.adb import Done, find_adb
from workbench.errors import InputError


def test_the_error_is_told_not_the_figures_after_it():
    err = "adb: error: failed to copy 'a' to '/b': No space left on device\na: 0 files pushed, 0 skipped. 679.9 MB/s\n"
    assert Done(1, "", err).message == "failed to copy 'a' to '/b': No space left on device"
    assert Done(1, "mkdir: denied\n", " \n").message == "mkdir: denied"
    assert Done(255, "", "").message == "no message"


def test_the_adb_given_goes_first_and_must_run(tmp_path, monkeypatch):
    program = tmp_path / "adb"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="can't be run"):
        find_adb(program)
    with pytest.raises(InputError, match="can't be run"):
        find_adb(tmp_path)
    program.chmod(0o755)
    assert find_adb(program) == program
    monkeypatch.setenv("WORKBENCH_ADB", str(program))
    assert find_adb() == program


def test_without_adb_the_message_says_where_to_get_it(tmp_path, monkeypatch):
    for variable in ("WORKBENCH_ADB", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="not found on PATH") as caught:
        find_adb()
    assert "apt install adb" in str(caught.value)
    tools = tmp_path / "sdk" / "platform-tools"
    tools.mkdir(parents=True)
    (tools / "adb").write_text("#!/bin/sh\n")
    (tools / "adb").chmod(0o755)
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "sdk"))
    assert find_adb() == tools / "adb"
