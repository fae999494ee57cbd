"""The runner, built for a device's system and machine when it is first asked for."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.devices.toolchain.elf import Elf, read_elf
from workbench.errors import InputError, RunError

SOURCES = Path(__file__).parents[1] / "runner"
ANDROID_API = 24
"""Oldest Android that is built for (7.0): what Microsoft's library asks for."""
OLDEST_GLIBC = "2.28"
"""Oldest glibc that is built for: what the library in the Linux wheels asks for."""
_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-fno-stack-protector", "-g0")
_PAGES = "-z,max-page-size=16384"
"""Android 15 on devices with 16 KiB pages refuses less."""
_ZIG = (sys.executable, "-P", "-m", "ziglang")
MACHINES = {
    "x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64", "arm64-v8a": "arm64",
}  # fmt: skip
"""What ``uname -m`` or an Android says, to the machine. 32-bit ones aren't: ONNX Runtime's kernels for them are few."""


@dataclass(frozen=True)
class Target:
    """``system`` is ``linux`` (glibc) or ``android`` (bionic), ``machine`` is ``x86_64`` or ``arm64``."""

    system: str
    machine: str

    def __str__(self) -> str:
        return f"{self.system}-{self.machine}"

    @property
    def processor(self) -> str:
        """The machine as compilers and kernels call it."""
        return "aarch64" if self.machine == "arm64" else self.machine

    @property
    def android_abi(self) -> str:
        """The machine as Android packages call it."""
        return "arm64-v8a" if self.machine == "arm64" else self.machine

    @property
    def interpreter(self) -> str:
        """The dynamic linker that starts a program there."""
        if self.system == "android":
            return "/system/bin/linker64"
        return "/lib/ld-linux-aarch64.so.1" if self.machine == "arm64" else "/lib64/ld-linux-x86-64.so.2"


def target_of(system: str, machine: str) -> Target:
    """The target of a device.

    Args:
        system: ``linux`` or ``android``.
        machine: what ``uname -m`` or ``ro.product.cpu.abi`` says.

    Raises:
        InputError: nothing can be built for it.
    """
    if system not in ("linux", "android") or machine not in MACHINES:
        raise InputError(
            f"a device with {system} on {machine or 'an unknown machine'} can't be profiled: the runner is built for "
            "64-bit Arm and x86, on Android or on Linux with glibc"
        )
    return Target(system, MACHINES[machine])


def build_runner(target: Target, folder: Path) -> Path:
    """The runner for a target, from ``folder`` when it was built before from the same sources by the same compiler.

    The Android NDK's compiler is used where ``$ANDROID_NDK_HOME`` names one (Android targets), else zig's, from the
    package ziglang.

    Raises:
        InputError: no compiler, or ``$ANDROID_NDK_HOME`` holds none.
        RunError: the compiler failed, or made something that wouldn't run there.
    """
    ndk, version = compiler(target)
    built = folder / "runner" / f"{target}-{_key(target, version)}" / "wbrun"
    if built.is_file():
        return built
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=built.parent) as scratch:
        made = Path(scratch) / "wbrun"
        rest: list[str | Path] = [*_FLAGS, "-s", SOURCES / "wbrun.c", "-o", made, "-ldl"]
        if ndk:
            _run([ndk, f"--target={target.processor}-linux-android{ANDROID_API}", f"-Wl,{_PAGES}", *rest], target)
        elif target.system == "android":
            _for_bionic(target, made)
        else:
            _run([*_ZIG, "cc", "-target", f"{target.processor}-linux-gnu.{OLDEST_GLIBC}", *rest], target)
        _verify(read_elf(made), target)
        made.chmod(0o755)
        made.replace(built)
    return built


def compiler(target: Target) -> tuple[Path | None, str]:
    """The NDK's compiler (None: zig's) for a target, and its name and version.

    Raises:
        InputError: there is none, or ``$ANDROID_NDK_HOME`` holds none.
    """
    named = os.environ.get("ANDROID_NDK_HOME") if target.system == "android" else None
    if named:
        clang = next(iter(sorted(Path(named).glob("toolchains/llvm/prebuilt/*/bin/clang"))), None)
        if clang is None:
            raise InputError(
                f"ANDROID_NDK_HOME is {named}, but there is no toolchains/llvm/prebuilt/*/bin/clang in it",
                hint="name the folder of an NDK (r19 or later), or unset the variable to build with ziglang",
            )
        properties = clang.parents[5] / "source.properties"
        return clang, f"ndk {properties.read_text() if properties.is_file() else clang.stat().st_mtime_ns}"
    if importlib.util.find_spec("ziglang") is None:
        raise InputError(
            "no compiler for the runner: ziglang is not installed",
            hint="pip install 'edge-workbench[device]' (or, for Android, set ANDROID_NDK_HOME)",
        )
    return None, f"zig {importlib.metadata.version('ziglang')}"


def _key(target: Target, version: str) -> str:
    digest = hashlib.sha256(f"{target}\0{version}\0{_FLAGS}\0".encode() + Path(__file__).read_bytes())
    for source in sorted(SOURCES.iterdir()):
        digest.update(f"{source.name}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: Sequence[str | Path], target: Target) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n  ".join(done.stderr.strip().splitlines()[-8:])
        raise RunError(f"the runner can't be built for {target}: the compiler ended with {done.returncode}\n  {last}")


def _for_bionic(target: Target, out: Path) -> None:
    """Without the NDK: objects made with another C library's headers, linked to stand-ins of Android's libraries.

    A stand-in has the name of the real library and the symbols that the runner wants of it, and no code; on the
    device the linker takes the real one.
    """
    triple = f"{target.processor}-linux-musl"
    compile_only = [*_ZIG, "cc", "-target", triple, *_FLAGS, "-fPIE", "-fno-builtin", "-c"]
    objects = []
    for part in ("wbrun.c", "android_start.c"):
        objects.append(out.with_name(f"{part}.o"))
        _run([*compile_only, SOURCES / part, "-o", objects[-1]], target)
    defined_here = {"main", "__errno_location", "_GLOBAL_OFFSET_TABLE_"}
    undefined = {name for file in objects for name in read_elf(file).undefined} - defined_here
    linker_part = {name for name in undefined if name in ("dlopen", "dlsym", "dlerror")}
    stands = []
    for name, symbols in (("libc.so", undefined - linker_part), ("libdl.so", linker_part)):
        source = out.with_name(f"{name}.c")
        source.write_text("".join(f"void {symbol}(void) {{}}\n" for symbol in sorted(symbols)))
        stands.append(out.with_name(name))
        flags = ("-shared", "-nostdlib", "-fno-builtin", "-w", f"-Wl,-soname,{name}")
        _run([*_ZIG, "cc", "-target", triple, *flags, source, "-o", stands[-1]], target)
    linking = ["-pie", "--hash-style=both", *_PAGES.split(","), "--strip-all", "--build-id=none", "--no-undefined"]
    linker = f"--dynamic-linker={target.interpreter}"
    _run([*_ZIG, "ld.lld", *linking, linker, *objects, *stands, "-o", out], target)


def _verify(elf: Elf, target: Target) -> None:
    """Whether the dynamic linker of the target will take it."""
    libraries = {"libc.so", "libdl.so"} if target.system == "android" else {"libc.so.6", "libdl.so.2"}
    foreign = [v for v in elf.symbol_versions if target.system == "android" and v.startswith("GLIBC")]
    if elf.machine != target.machine or elf.interpreter != target.interpreter:
        raise RunError(f"the runner for {target} came out for {elf.described}, started by {elf.interpreter}")
    if foreign or not set(elf.needed) <= libraries:
        raise RunError(f"the runner for {target} came out needing {', '.join([*elf.needed, *foreign])}")
