from __future__ import annotations

import shutil
import zipfile

import pytest

from workbench.devices.toolchain import library as module
from workbench.devices.toolchain.build import build_runner, target_of
from workbench.devices.toolchain.library import NAME, host_version, library_for
from workbench.errors import InputError, RunError

ANDROID = target_of("android", "arm64-v8a")
LINUX = target_of("linux", "x86_64")


@pytest.fixture
def aar(built, tmp_path):
    """An archive laid out as Microsoft's, holding programs of the right kind in place of the libraries."""
    with zipfile.ZipFile(tmp_path / "ort.aar", "w") as archive:
        for abi in ("arm64-v8a", "x86_64"):
            archive.write(build_runner(target_of("android", abi), built), f"jni/{abi}/{NAME}")
        archive.writestr("jni/armeabi-v7a/libonnxruntime4j_jni.so", b"")
    return tmp_path / "ort.aar"


def test_this_machines_own_library_is_that_of_the_installed_package(tmp_path):
    found = library_for(LINUX, tmp_path)
    assert found.path.name == f"{NAME}.{host_version()}"
    assert host_version() in found.source
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("abi", ["arm64-v8a", "x86_64"])
def test_the_right_library_is_taken_out_of_an_archive_once(abi, aar, built, tmp_path):
    target = target_of("android", abi)
    found = library_for(target, tmp_path / "kept", aar)
    assert found.path.read_bytes() == build_runner(target, built).read_bytes()
    assert found.source == f"jni/{abi}/{NAME} of {aar}"
    before = found.path.stat().st_mtime_ns
    assert library_for(target, tmp_path / "kept", aar).path.stat().st_mtime_ns == before


def test_an_archive_for_android_is_refused_for_linux(aar, tmp_path):
    with pytest.raises(InputError, match=rf"holds no {NAME} for linux-x86_64; found jni/arm64-v8a"):
        library_for(LINUX, tmp_path, aar)


def test_an_archive_without_the_abi_says_what_is_in_it(aar, built, tmp_path):
    with zipfile.ZipFile(tmp_path / "half.aar", "w") as archive:
        archive.write(build_runner(ANDROID, built), f"jni/arm64-v8a/{NAME}")
    with pytest.raises(InputError, match=rf"holds no {NAME} for android-x86_64; found jni/arm64-v8a"):
        library_for(target_of("android", "x86_64"), tmp_path, tmp_path / "half.aar")


def test_a_library_of_another_machine_or_system_never_reaches_the_device(built, library, tmp_path):
    with pytest.raises(InputError, match=r"x86_64 Linux .glibc., the device is android-arm64"):
        library_for(ANDROID, tmp_path, library)
    arm = build_runner(target_of("linux", "arm64"), built)
    with pytest.raises(InputError, match=r"arm64 Linux .glibc., the device is linux-x86_64"):
        library_for(LINUX, tmp_path, arm)


def test_a_damaged_or_missing_file_is_refused(library, aar, tmp_path):
    (tmp_path / "cut.so").write_bytes(library.read_bytes()[:5000])
    for path, said in (("cut.so", "not an ELF file"), ("none.so", "there is no such file")):
        with pytest.raises(InputError, match=said):
            library_for(LINUX, tmp_path, tmp_path / path)
    data = bytearray(aar.read_bytes())
    data[4000:5000] = bytes(1000)
    (tmp_path / "bad.aar").write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        library_for(ANDROID, tmp_path, tmp_path / "bad.aar")
    assert not list((tmp_path / "library").rglob(NAME))


def test_android_without_a_library_says_which_file_to_get(tmp_path):
    with pytest.raises(InputError) as told:
        library_for(ANDROID, tmp_path)
    assert f"onnxruntime-android-{host_version()}.aar" in str(told.value)
    assert "--ort-library" in str(told.value)
    assert f"jni/arm64-v8a/{NAME}" in str(told.value)


def test_a_wheel_may_be_given_by_hand(library, tmp_path):
    with zipfile.ZipFile(tmp_path / "ort.whl", "w") as archive:
        archive.write(library, f"onnxruntime/capi/{library.name}")
    assert library_for(LINUX, tmp_path / "kept", tmp_path / "ort.whl").path.stat().st_size == library.stat().st_size


def test_a_download_that_fails_says_so_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "host_version", lambda: "0.0.1")  # no index holds it
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(RunError, match=r"can't be downloaded: ERROR(.|\n)*--ort-library"):
        library_for(target_of("linux", "arm64"), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_wheel_is_downloaded_once(monkeypatch, built, tmp_path):
    """pip takes the wheel from a local folder here; the real download differs only in where pip looks."""
    links = tmp_path / "links"
    links.mkdir()
    info = "onnxruntime-9.9.9.dist-info"
    with zipfile.ZipFile(links / "onnxruntime-9.9.9-cp311-cp311-manylinux_2_28_aarch64.whl", "w") as archive:
        archive.write(build_runner(target_of("linux", "arm64"), built), f"onnxruntime/capi/{NAME}.9.9.9")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 9.9.9\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_aarch64\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setattr(module, "host_version", lambda: "9.9.9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    target = target_of("linux", "arm64")
    found = library_for(target, tmp_path / "kept")
    assert found.path.name == NAME
    shutil.rmtree(links)
    assert library_for(target, tmp_path / "kept") == found
