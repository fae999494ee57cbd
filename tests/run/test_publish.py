"""What a run leaves in profiles/ isn't overwritten by a run of another recipe or machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.run.publish import STATE, _set_aside


def test_profiles_of_another_state_are_renamed_and_those_of_the_same_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "base@host.json").write_text("1")
    (folder / STATE).write_text("0123456789")
    _set_aside(folder, "0123456789")
    assert (folder / "base@host.json").is_file() and capsys.readouterr().err == ""

    _set_aside(folder, "abc")
    assert not folder.exists() and (tmp_path / "x.01234567" / "base@host.json").read_text() == "1"
    assert "x.01234567" in capsys.readouterr().err


def test_profiles_of_an_unknown_state_are_renamed_too(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "base@host.csv").write_text("1")
    _set_aside(folder, "abc")
    assert (tmp_path / "x.earlier" / "base@host.csv").is_file()
