from __future__ import annotations

import json
import subprocess
import sys

import pytest

from workbench.devices.toolchain import build
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.devices.toolchain.elf import read_elf
from workbench.errors import InputError, RunError

ANDROID_LINKER = "/system/bin/linker64"
TARGETS = {
    ("linux", "x86_64"): ("x86_64", "/lib64/ld-linux-x86-64.so.2"),
    ("linux", "aarch64"): ("arm64", "/lib/ld-linux-aarch64.so.1"),
    ("android", "x86_64"): ("x86_64", ANDROID_LINKER),
    ("android", "arm64-v8a"): ("arm64", ANDROID_LINKER),
}


@pytest.mark.parametrize("asked, made", TARGETS.items(), ids=["-".join(key) for key in TARGETS])
def test_is_built_for_every_target_and_needs_only_what_is_there(asked, made, built):
    path = build_runner(target_of(*asked), built)
    elf = read_elf(path)
    assert (elf.machine, elf.interpreter) == made
    assert path.stat().st_mode & 0o111
    if asked[0] == "android":
        assert set(elf.needed) == {"libc.so", "libdl.so"}
        assert elf.symbol_versions == ()  # of glibc least of all
        assert {"__libc_init", "__errno"} <= set(elf.undefined)
        assert "__errno_location" not in elf.undefined
        assert "PT_TLS" not in _segments(path)
    else:
        newest = max(tuple(map(int, v.removeprefix("GLIBC_").split("."))) for v in elf.symbol_versions)
        assert newest <= (2, 28)


def _segments(path):
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        return [segment.header.p_type for segment in ELFFile(file).iter_segments()]


def test_pages_of_an_android_build_fit_devices_with_16_kib_pages(built):
    from elftools.elf.elffile import ELFFile

    with build_runner(target_of("android", "arm64"), built).open("rb") as file:
        alignments = [s.header.p_align for s in ELFFile(file).iter_segments() if s.header.p_type == "PT_LOAD"]
    assert alignments
    assert min(alignments) >= 16384


@pytest.mark.long
def test_the_android_build_starts_and_measures_over_a_stand_in_of_its_c_library(built, library, model, tmp_path):
    # No Android is at hand: its two libraries are stood in for by shims over this machine's, so that what is tested is
    # our start code, the link and the absence of anything that only the other C library has.
    shims = {
        "libc.so": "extern int *__errno_location(void); int *__errno(void) { return __errno_location(); }\n"
        "void exit(int);\n"
        "void __libc_init(void *raw, void (*e)(void), int (*m)(int, char **, char **), const void *s) {\n"
        "  char **v = (char **)raw + 1; (void)e; (void)s; exit(m(*(long *)raw, v, v + *(long *)raw + 1)); }\n",
        "libdl.so": "int shim_of_libdl;\n",
    }
    for name, text in shims.items():
        (tmp_path / f"{name}.c").write_text(text)
        command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.28", "-shared", "-w"]
        command += [f"-Wl,-soname,{name}", "-o", str(tmp_path / name), str(tmp_path / f"{name}.c")]
        subprocess.run(command, check=True, capture_output=True)
    made = build_runner(target_of("android", "x86_64"), built)
    out = tmp_path / "r.json"
    command = ["/lib64/ld-linux-x86-64.so.2", "--library-path", tmp_path, made, "--lib", library, "--model", model]
    command += ["--shape", "x=1x3x16x16", "--phases", "time", "--out", out, "--iterations", "4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads(out.read_text())["time"]["samples_ns"]) == 4
    missing = subprocess.run([*command[:-2], "--data", "x", "--input", "x=/nowhere"], capture_output=True, text=True)
    assert "/nowhere: No such file or directory" in missing.stdout  # errno goes through the other library's name


def test_compilers_have_nothing_to_remark(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "_FLAGS", (*build._FLAGS, "-Werror"))
    for asked in TARGETS:
        assert build_runner(target_of(*asked), tmp_path).is_file()


def test_is_built_once_for_the_same_sources(built, monkeypatch):
    first = build_runner(target_of("linux", "x86_64"), built)
    before = first.stat().st_mtime_ns
    monkeypatch.setattr(build.subprocess, "run", lambda *_, **__: pytest.fail("the compiler was called again"))
    assert build_runner(target_of("linux", "amd64"), built) == first
    assert first.stat().st_mtime_ns == before


def test_a_changed_source_or_compiler_builds_anew(built, monkeypatch, tmp_path):
    target = target_of("linux", "x86_64")
    keys = {build._key(target, "zig 1"), build._key(target, "zig 2"), build._key(target_of("linux", "arm64"), "zig 1")}
    for source in build.SOURCES.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    with (tmp_path / "say.h").open("a") as file:
        file.write("\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    assert len({*keys, build._key(target, "zig 1")}) == 4


def test_what_the_compiler_says_is_passed_on(monkeypatch, tmp_path):
    (tmp_path / "wbrun.c").write_text("int main(void) { return nonsense; }\n")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    with pytest.raises(RunError, match=r"can't be built for linux-x86_64(.|\n)*nonsense"):
        build_runner(target_of("linux", "x86_64"), tmp_path / "built")
    assert list((tmp_path / "built").rglob("wbrun")) == []


@pytest.mark.parametrize(
    "system, machine",
    [("linux", "armv7l"), ("android", "armeabi-v7a"), ("linux", "riscv64"), ("ios", "arm64"), ("linux", "")],
)
def test_a_device_that_nothing_is_built_for_is_refused(system, machine):
    with pytest.raises(InputError, match=f"{system} on {machine or 'an unknown machine'} can't be profiled"):
        target_of(system, machine)


def test_the_ndk_is_used_where_it_is_named(built, monkeypatch, tmp_path):
    folder = tmp_path / "ndk" / "toolchains" / "llvm" / "prebuilt" / "linux-x86_64" / "bin"
    folder.mkdir(parents=True)
    own = build_runner(target_of("android", "arm64"), built)
    # A compiler that notes how it was called and hands out an Android program.
    script = f'#!/bin/sh\necho "$@" > {tmp_path}/called\nwhile [ "$1" != -o ]; do shift; done\ncp {own} "$2"\n'
    (folder / "clang").write_text(script)
    (folder / "clang").chmod(0o755)
    (tmp_path / "ndk" / "source.properties").write_text("Pkg.Revision = 28.0.1\n")
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path / "ndk"))
    made = build_runner(target_of("android", "arm64"), tmp_path / "built")
    assert made.is_file()
    called = (tmp_path / "called").read_text().split()
    assert called[0] == "--target=aarch64-linux-android24"
    assert str(build.SOURCES / "wbrun.c") in called
    assert not any(word.endswith("android_start.c") for word in called)
    with pytest.raises(RunError, match="for android-x86_64 came out for arm64"):
        build_runner(target_of("android", "x86_64"), tmp_path / "built")


def test_an_ndk_folder_without_a_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"ANDROID_NDK_HOME is .* but there is no"):
        build_runner(target_of("android", "arm64"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(InputError, match=r"ziglang is not installed(.|\n)*pip install"):
        build_runner(target_of("linux", "arm64"), tmp_path)
