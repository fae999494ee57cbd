"""A release: whole or not there, all that was measured in it, no path of the machine; what keeps it from being made."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.small_run import run
from workbench.errors import InputError
from workbench.release.figures import figures_in, figures_of
from workbench.release.place import check_place, whole
from workbench.run.history import finished
from workbench.store.files import hash_file
from workbench.store.store import Store


def ship(place: Path, *arguments: str):
    return workbench("ship", *arguments, "--store", "store", cwd=place)


def test_the_manifest_holds_the_runs_own_figures_and_every_files_hash(shipped, small_run: Path):
    found = finished(Store(small_run / "store"), "small")
    manifest = json.loads((shipped("pruned") / "manifest.json").read_text())
    assert figures_in(shipped("pruned")) == json.loads(json.dumps(figures_of(found.data, "pruned")))
    host = manifest["figures"]["targets"]["host"]
    profile = found.data.profiles["host", "pruned"]
    assert host["components"]["unet"]["latency_ms"] == profile["components"]["unet"]["latency_ms"]
    assert len(host["components"]["unet"]["latency_ms"]["samples"]) >= 3
    assert set(host["components"]["unet"]["layer_samples_ms"]) == set(profile["components"]["unet"]["layer_samples_ms"])
    assert not host["simulated"] and not host["emulated"] and host["environment"]["cpu"]
    psnr = manifest["figures"]["quality"]["psnr_db"]
    assert psnr["value"] == found.data.scores["pruned"]["metrics"]["psnr_db"] and psnr["unit"] == "dB"
    assert [one["candidate"] for one in manifest["lineage"]] == ["base", "pruned"]
    files = {f.relative_to(shipped("pruned")).as_posix(): f for f in shipped("pruned").rglob("*") if f.is_file()}
    beside = {"manifest.json", "MODEL_CARD.md", "SHA256SUMS"}
    assert manifest["files"].keys() == files.keys() - beside
    assert all(
        (listed["sha256"], listed["size_bytes"]) == (hash_file(files[name]), files[name].stat().st_size)
        for name, listed in manifest["files"].items()
    )
    sums = dict(reversed(line.split("  ")) for line in (shipped("pruned") / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hash_file(file) for name, file in files.items() if name != "SHA256SUMS"}


def test_nothing_tells_where_it_was_made(shipped, small_run: Path):
    for candidate in ("base", "pruned", "w8a8"):
        for file in [f for f in shipped(candidate).rglob("*") if f.is_file()]:
            assert str(small_run.parent).encode() not in file.read_bytes(), file


def test_the_card_shows_figures_and_pictures_that_are_there(shipped):
    card = (shipped("pruned") / "MODEL_CARD.md").read_text()
    pictures = [part.split(")")[0] for part in card.split("![](")[1:]]
    assert len(pictures) == 2 and all((shipped("pruned") / one).is_file() for one in pictures)
    assert ("| host | " in card and "PSNR" in card and "2 of 2 pictures" in card) or "dB or more" in card
    assert "states none" in card  # the small model brings no licence


def test_a_release_is_replaced_only_where_that_is_asked_for_and_only_a_release(own_run: Path):
    (own_run / "mine").mkdir()
    (own_run / "mine" / "thesis.txt").write_text("my own")
    for force in ([], ["--force"]):
        refused = ship(own_run, "small/base", "-o", "mine", *force)
        assert refused.exit_code == 2 and "isn't a shipped folder" in refused.stderr
    assert [f.name for f in (own_run / "mine").iterdir()] == ["thesis.txt"]
    assert ship(own_run, "small/base", "-o", "out", "--pictures", "1").exit_code == 0
    before = (own_run / "out" / "SHA256SUMS").read_text()
    refused = ship(own_run, "small/base", "-o", "out")
    assert refused.exit_code == 2 and "--force replaces it" in refused.stderr
    assert (own_run / "out" / "SHA256SUMS").read_text() == before
    assert ship(own_run, "small/base", "-o", "out", "--pictures", "2", "--force").exit_code == 0
    assert len(list((own_run / "out" / "pictures").iterdir())) == 2
    assert [f.name for f in own_run.iterdir() if f.name.startswith(".")] == []


def test_a_ship_that_fails_leaves_what_was_there(own_run: Path):
    """Its pictures aren't those that the weights draw: the client says so before anything takes the place."""
    found = finished(Store(own_run / "store"), "small")
    for i, name in enumerate(found.data.scores["base"]["pictures"]):
        other = found.data.pictures["pruned"] / found.data.scores["pruned"]["pictures"][i]
        shutil.copyfile(other, found.data.pictures["base"] / name)
    failed = ship(own_run, "small/base", "-o", "out")
    assert failed.exit_code == 1 and "doesn't draw what the run drew" in failed.stderr
    assert "pictures/000.png" in failed.stderr
    assert not (own_run / "out").exists() and not (own_run / ".out.part").exists()


def test_two_ships_into_one_folder_at_once_are_refused(own_run: Path):
    (own_run / ".out.part").mkdir()
    handle = os.open(own_run / ".out.part", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        refused = ship(own_run, "small/base", "-o", "out")
    finally:
        os.close(handle)
    assert refused.exit_code == 2 and "another ship is writing there" in refused.stderr


def test_what_a_killed_ship_left_is_no_part_of_the_next(tmp_path: Path):
    (tmp_path / ".out.part" / "unet").mkdir(parents=True)
    (tmp_path / ".out.part" / "unet" / "half").write_text("half")
    with whole(tmp_path / "out") as folder:
        (folder / "all").write_text("all")
    assert [f.name for f in (tmp_path / "out").rglob("*")] == ["all"]
    with pytest.raises(KeyError), whole(tmp_path / "other") as folder:
        raise KeyError
    assert [f.name for f in tmp_path.iterdir()] == ["out"]


def test_a_disk_too_small_is_said_before_anything_is_written(tmp_path: Path):
    with pytest.raises(InputError, match="needs about 1,000,000,000,000 MB"):
        check_place(tmp_path / "out", False, 10**18)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["small/prned", "-o", "out"], "did you mean pruned?"),
        (["smll", "-o", "out"], "did you mean small"),
        (["small.yaml", "--set", "evaluate.shown=1", "-o", "out"], "was of other settings"),
        (["small/base", "--candidate", "w8a8", "-o", "out"], "names one already"),
        (["small"], "-o FOLDER: missing"),
        (["-o", "out"], "RUN or RECIPE: missing"),
        (["small", "--verify", "out"], "nothing to ship beside it"),
        (["small/base", "-o", "out", "--python", "no/such/python"], "can't be run"),
    ],
)
def test_what_cant_be_shipped_is_one_sentence(small_run: Path, asked, says):
    done = ship(small_run, *asked)
    assert (done.exit_code, done.stdout) == (2, "") and says in done.stderr
    assert not (small_run / "out").exists()


def test_a_run_without_a_choice_says_how_to_ship_all_the_same(own_run: Path):
    run(own_run, "rank.constraints.size_mb=0.001")
    done = ship(own_run, "small", "-o", "out")
    assert done.exit_code == 2 and "nothing was chosen" in done.stderr and "--candidate NAME" in done.stderr
    assert ship(own_run, "small", "--candidate", "base", "-o", "out", "--pictures", "1").exit_code == 0
    (limit,) = json.loads((own_run / "out" / "manifest.json").read_text())["constraints"]
    assert limit["key"] == "size_mb" and not limit["met"] and "larger" in limit["words"]


def test_a_run_whose_results_are_gone_says_to_run_it_again(own_run: Path):
    shutil.rmtree(own_run / "store" / "results")
    done = ship(own_run, "small", "-o", "out")
    assert done.exit_code == 2 and "is no longer in the store" in done.stderr


def test_a_run_without_pictures_is_refused_before_anything_is_written(own_run: Path):
    run(own_run, "evaluate.pictures=0")
    done = ship(own_run, "small", "-o", "out")
    assert done.exit_code == 2 and "drew no pictures" in done.stderr and not (own_run / "out").exists()
