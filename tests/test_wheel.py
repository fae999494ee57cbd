"""What is built is whole, small, the same twice, and works where no checkout is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import ROOT
from tests.fixtures import tiny_pipeline
from tests.fixtures.command import process
from workbench.models.sources import demo_folder
from workbench.recipe.shipped import names

MOST_BYTES = 100_000_000
SMALL = {
    "model": "tiny",
    "steps": "[quantize: {scheme: fp16}]",
    "evaluate": "{pictures: 2, shown: 1, steps: 1, samples: 1}",
    "profile": "{runtimes: [onnxruntime], iterations: 3, min_seconds: 0.0, warmup: 1}",
    "rank": "{maximize: smallness}",
}


def build(sources: Path, out: Path) -> Path:
    """The wheel of a copy of the repository, by its own build backend."""
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(out)!r})"
    out.mkdir()
    env = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run([sys.executable, "-c", code], cwd=sources, env=env, check=True, capture_output=True, timeout=300)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a fresh checkout has it."""
    copy = tmp_path_factory.mktemp("sources") / "checkout"
    tracked = ("workbench", "recipes", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
    copy.mkdir()
    for name in tracked:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def wheel(sources: Path) -> Path:
    return build(sources, sources.parent / "first")


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment where the wheel is installed; the libraries are those of this one."""
    root = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root], check=True, timeout=120)
    python = root / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", python, *install], check=True, timeout=120)
    purelib = next((root / "lib").glob("python*/site-packages"))
    libraries = [path for path in sys.path if Path(path).name == "site-packages"]
    (purelib / "libraries.pth").write_text("\n".join(libraries))  # paths alone: what .pth files lie there doesn't count
    return root / "bin"


def ran(bare: Path, folder: Path, *arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "WORKBENCH_STORE")}
    done = process([str(bare / "workbench"), *arguments], cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_every_file_of_the_package_and_is_small_enough_to_be_published(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {file for file in (ROOT / "workbench").rglob("*") if file.is_file() and file.suffix != ".pyc"}
    assert {str(file.relative_to(ROOT)) for file in files} - held == set()
    assert {f"workbench/recipes/{name}.yaml" for name in names()} <= held
    assert {name.rpartition("/")[2] for name in held} >= {"LICENSE", "NOTICE", "py.typed"}
    assert wheel.stat().st_size < MOST_BYTES


def test_built_twice_it_has_the_same_bytes(wheel: Path, sources: Path) -> None:
    for left in ("build", "edge_workbench.egg-info"):
        shutil.rmtree(sources / left)
    moved = sources.with_name("elsewhere")
    shutil.copytree(sources, moved, symlinks=True, copy_function=shutil.copyfile)  # files of another time
    assert build(moved, sources.parent / "second").read_bytes() == wheel.read_bytes()


def test_a_recipe_that_comes_with_it_is_checked_by_name_outside_a_checkout(bare: Path, tmp_path: Path) -> None:
    report = json.loads(ran(bare, tmp_path, "check", "bk_tiny_w8a8", "--json"))
    assert list(report["stored"]) == ["bk_tiny", "distilled", "w8a8"]
    assert Path(report["folder"]).is_relative_to(bare.parent)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_of_ones_own_is_written_and_run(bare: Path, tmp_path: Path) -> None:
    tiny_pipeline.make(tmp_path / "tiny", demo_folder())
    sets = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    ran(bare, tmp_path, "init", "mine.yaml")
    outcome = json.loads(ran(bare, tmp_path, "run", "mine.yaml", "--json", *sets))
    assert {row["candidate"] for row in outcome["candidates"]} == {"base", "fp16"}
    assert (tmp_path / outcome["report"]).read_text().startswith("<!doctype html>")
    assert (tmp_path / "profiles" / "mine" / "fp16@host.csv").is_file()
