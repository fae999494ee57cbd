from __future__ import annotations

import pytest

from workbench.devices.toolchain.elf import read_elf
from workbench.errors import InputError


def test_reads_what_a_program_needs(runner):
    elf = read_elf(runner)
    assert (elf.machine, elf.system, elf.interpreter) == ("x86_64", "linux", "/lib64/ld-linux-x86-64.so.2")
    assert set(elf.needed) == {"libc.so.6", "libdl.so.2"}
    assert "dlopen" in elf.undefined
    assert any(version.startswith("GLIBC_") for version in elf.symbol_versions)


def test_a_library_has_no_interpreter(library):
    elf = read_elf(library)
    assert (elf.machine, elf.system, elf.interpreter) == ("x86_64", "linux", None)
    assert "libstdc++.so.6" in elf.needed


@pytest.mark.parametrize("kept", [0, 3, 40, 600, 9000])
def test_a_file_that_is_cut_off_is_refused_in_one_sentence(kept, runner, tmp_path):
    (tmp_path / "cut").write_bytes(runner.read_bytes()[:kept])
    with pytest.raises(InputError, match="not an ELF file, or a damaged one"):
        read_elf(tmp_path / "cut")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("#!/bin/sh\n" * 100)
    with pytest.raises(InputError, match="not an ELF file"):
        read_elf(tmp_path / "text")
    with pytest.raises(InputError, match="can't be read"):
        read_elf(tmp_path / "none")
