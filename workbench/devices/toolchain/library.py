"""The ONNX Runtime library for a device: given, or taken from the wheel of the host's own version."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.devices.toolchain.build import Target
from workbench.devices.toolchain.elf import read_elf
from workbench.errors import InputError, RunError
from workbench.store.files import hash_file

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


def library_for(
    target: Target, folder: Path, given: Path | None = None, say: Callable[[str], None] | None = None
) -> Library:
    """The library to push to a device of that target.

    Without ``given``: for x86-64 Linux the one in the installed onnxruntime package; for arm64 Linux the one in the
    same version's wheel, downloaded once with pip into ``folder``; for Android there is none to be had without asking.

    Args:
        target: the device's system and machine.
        folder: where what is unpacked or downloaded is kept.
        given: a ``.so``, or an ``.aar`` or wheel that holds one.
        say: told before something is downloaded.

    Raises:
        InputError: the file given isn't one for this target, or none was given and none is known.
        RunError: the download failed.
    """
    if given is not None:
        return _given(target, folder, given)
    if target.system == "android":
        version = host_version()
        raise InputError(
            f"no ONNX Runtime library for {target}",
            hint=(
                f"get onnxruntime-android-{version}.aar (Maven Central, group com.microsoft.onnxruntime, artifact "
                f"onnxruntime-android) and name it with --ort-library; jni/{target.android_abi}/{NAME} is taken from it"
            ),
        )
    if target.machine == "x86_64" and (own := _installed(target)):
        return own
    return _from_wheel(target, folder, say)


def _given(target: Target, folder: Path, given: Path) -> Library:
    if not given.is_file():
        raise InputError(f"--ort-library {given}: there is no such file")
    if not zipfile.is_zipfile(given):
        _check(given, target, str(given))
        return Library(given, str(given))
    with zipfile.ZipFile(given) as archive:
        names = archive.namelist()
        if target.system == "android":
            entries = [name for name in names if name == f"jni/{target.android_abi}/{NAME}"]
        else:
            entries = [name for name in names if f"/capi/{NAME}" in name]
        if not entries:
            inside = ", ".join(sorted(name for name in names if f"/{NAME}" in name)) or f"no {NAME} at all"
            raise InputError(
                f"--ort-library {given}: holds no {NAME} for {target}; found {inside}",
                hint=_wanted_file(target),
            )
        return Library(_unpack(archive, entries[0], target, folder, given), f"{entries[0]} of {given}")


def _wanted_file(target: Target) -> str:
    version = host_version()
    if target.system == "android":
        return f"it should be onnxruntime-android-{version}.aar, which holds jni/{target.android_abi}/{NAME}"
    return f"it should be the onnxruntime {version} wheel for Linux on {target.processor}"


def _check(path: Path, target: Target, what: str) -> None:
    elf = read_elf(path)
    if elf.machine != target.machine or elf.system != target.system:
        raise InputError(f"{what}: a library for {elf.described}, the device is {target}", hint=_wanted_file(target))


def _unpack(archive: zipfile.ZipFile, name: str, target: Target, folder: Path, source: Path) -> Path:
    kept = folder / "library" / f"{target}-{hash_file(source)[:16]}" / NAME
    if kept.is_file():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unpack-", dir=kept.parent) as scratch:
        taken = Path(scratch) / NAME
        try:
            taken.write_bytes(archive.read(name))  # read by name, never extracted: paths inside can't lead elsewhere
        except zipfile.BadZipFile as error:
            raise InputError(f"{source}: damaged ({error})") from error
        _check(taken, target, f"{name} of {source}")
        taken.replace(kept)
    return kept


def _installed(target: Target) -> Library | None:
    spec = importlib.util.find_spec("onnxruntime")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        for path in sorted(Path(folder, "capi").glob(f"{NAME}.*")):
            if read_elf(path).machine == target.machine:
                return Library(path, f"the installed onnxruntime {host_version()}")
    return None


def _from_wheel(target: Target, folder: Path, say: Callable[[str], None] | None) -> Library:
    version = host_version()
    kept = folder / "library" / f"{target}-wheel-{version}" / NAME
    source = f"the onnxruntime {version} wheel for Linux on {target.processor}"
    if kept.is_file():
        return Library(kept, source)
    kept.parent.mkdir(parents=True, exist_ok=True)
    if say:
        say(f"downloading {source} with pip (about 25 MB, once)")
    with tempfile.TemporaryDirectory(prefix="wheel-", dir=kept.parent) as scratch:
        command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--platform", f"manylinux_2_28_{target.processor}", "--python-version", "3.11"]
        command += ["--dest", scratch, f"onnxruntime=={version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        except subprocess.TimeoutExpired:
            raise RunError(f"{source}: the download took longer than {DOWNLOAD_S} s", hint=_by_hand(target)) from None
        wheels = sorted(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            lines = [line for line in done.stderr.strip().splitlines() if line.startswith("ERROR")] or [
                "no reason given"
            ]
            raise RunError(f"{source} can't be downloaded: {lines[-1]}", hint=_by_hand(target))
        with zipfile.ZipFile(wheels[0]) as archive:
            inside = [name for name in archive.namelist() if f"/capi/{NAME}" in name]
            if not inside:
                raise RunError(f"{source} holds no {NAME}", hint=_by_hand(target))
            taken = Path(scratch) / NAME
            taken.write_bytes(archive.read(inside[0]))
        _check(taken, target, source)
        taken.replace(kept)
    return Library(kept, source)


def _by_hand(target: Target) -> str:
    return f"get it on another machine and name it with --ort-library; {_wanted_file(target)}"
