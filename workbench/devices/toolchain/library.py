"""The ONNX Runtime library for a device: given, or taken from the wheel of the host's own version."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from workbench.devices.toolchain.build import Target
from workbench.devices.toolchain.elf import read_elf
from workbench.errors import InputError, RunError
from workbench.store.files import hash_file, write_atomic

NAME = "libonnxruntime.so"
DOWNLOAD_S = 600


@dataclass(frozen=True)
class Library:
    """A library that fits a target; ``source`` says where it comes from. Its version is what the runner reports."""

    path: Path
    source: str


def host_version() -> str:
    """The version of ONNX Runtime on this machine, which a device's should equal."""
    return importlib.metadata.version("onnxruntime")


def check_library(target: Target, given: Path | None) -> None:
    """Whether ``library_for`` will find a library that fits, as far as that can be known without a download.

    Raises:
        InputError: the file given isn't one for this target, or none was given and none is known.
    """
    if given is not None:
        _checked(given, target)
    elif target.system == "android":
        raise InputError(
            f"no ONNX Runtime library for {target}",
            hint=(
                f"get onnxruntime-android-{host_version()}.aar (Maven Central, group com.microsoft.onnxruntime, "
                "artifact onnxruntime-android) and name it with --ort-library, or in a recipe with "
                f"profile.device.ort_library; jni/{target.android_abi}/{NAME} is taken from it"
            ),
        )


def library_for(target: Target, folder: Path, given: Path | None = None) -> Library:
    """The library to push to a device of that target.

    Without ``given``: for x86-64 Linux the one in the installed onnxruntime package; for arm64 Linux the one in the
    same version's wheel, downloaded once with pip into ``folder``; for Android there is none to be had without asking.

    Args:
        target: the device's system and machine.
        folder: where what is unpacked or downloaded is kept.
        given: a ``.so``, or an ``.aar`` or wheel that holds one.

    Raises:
        InputError: the file given isn't one for this target, or none was given and none is known.
        RunError: the download failed.
    """
    if given is None:
        check_library(target, given)
        return (_installed(target) if target.machine == "x86_64" else None) or _from_wheel(target, folder)
    name, content = _checked(given, target)
    if not name:
        return Library(given, str(given))
    kept = folder / "library" / f"{target}-{hash_file(given)[:16]}" / NAME
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(kept, content)
    return Library(kept, f"{name} of {given}")


def _checked(file: Path, target: Target) -> tuple[str, bytes]:
    """Name and content of the library for a target in an archive; empty where the file itself is that library."""
    if not file.is_file():
        raise InputError(f"--ort-library {file}: there is no such file")
    if not zipfile.is_zipfile(file):
        _fits(file, None, target, str(file))
        return "", b""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        wanted = f"jni/{target.android_abi}/{NAME}" if target.system == "android" else f"/capi/{NAME}"
        name = next((name for name in names if wanted in name), None)
        if name is None:
            inside = ", ".join(sorted(name for name in names if f"/{NAME}" in name)) or f"no {NAME} at all"
            raise InputError(
                f"--ort-library {file}: holds no {NAME} for {target}; found {inside}", hint=_wanted_file(target)
            )
        try:
            content = archive.read(name)  # read by name, never extracted: paths inside can't lead elsewhere
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise InputError(f"{file}: damaged ({error})") from error
    _fits(file, content, target, f"{name} of {file}")
    return name, content


def _fits(file: Path, content: bytes | None, target: Target, what: str) -> None:
    elf = read_elf(file, content)
    if elf.machine != target.machine or elf.system != target.system:
        raise InputError(f"{what}: a library for {elf.described}, the device is {target}", hint=_wanted_file(target))


def _wanted_file(target: Target) -> str:
    version = host_version()
    if target.system == "android":
        return f"it should be onnxruntime-android-{version}.aar, which holds jni/{target.android_abi}/{NAME}"
    return f"it should be the onnxruntime {version} wheel for Linux on {target.processor}"


def _installed(target: Target) -> Library | None:
    spec = importlib.util.find_spec("onnxruntime")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder, "capi").glob(f"{NAME}.*")):
            if read_elf(path).machine == target.machine:
                return Library(path, f"the installed onnxruntime {host_version()}")
    return None


def _from_wheel(target: Target, folder: Path) -> Library:
    version = host_version()
    kept = folder / "library" / f"{target}-wheel-{version}" / NAME
    source = f"the onnxruntime {version} wheel for Linux on {target.processor}"
    if kept.is_file():
        return Library(kept, source)
    by_hand = f"get it on another machine and name it with --ort-library; {_wanted_file(target)}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=kept.parent) as scratch:
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--platform", f"manylinux_2_28_{target.processor}", "--python-version", "3.11"]
        command += ["--dest", scratch, f"onnxruntime=={version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        except subprocess.TimeoutExpired:
            raise RunError(f"{source}: the download took longer than {DOWNLOAD_S} s", hint=by_hand) from None
        wheels = sorted(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
            raise RunError(f"{source} can't be downloaded: {errors[-1]}", hint=by_hand)
        write_atomic(kept, _checked(wheels[0], target)[1])
    return Library(kept, source)
