"""``ship --verify``: what differs is named by its file, and a damaged file isn't loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.fixtures.command import workbench
from workbench.release.figures import figures_in
from workbench.release.manifest import write_sums


@pytest.fixture
def own(shipped, tmp_path: Path) -> Path:
    return shutil.copytree(shipped("base"), tmp_path / "own")


def verify(folder: Path, *arguments: str):
    return workbench("ship", "--verify", str(folder), *arguments)


def flip(file: Path, at: int = -9) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_a_release_as_it_was_shipped_is_drawn_anew(own: Path):
    done = verify(own, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["differs"] == [] and found["agreement"]["n"] == 2
    stated = json.loads((own / "manifest.json").read_text())["agreement"]
    assert found["agreement"]["floor_db"] == stated["floor_db"]


def test_one_bit_of_a_weight_is_named(own: Path):
    flip(own / "unet" / "diffusion_pytorch_model.safetensors")
    done = verify(own)
    assert done.exit_code == 1 and "unet/diffusion_pytorch_model.safetensors: isn't what was shipped" in done.stderr
    assert "nothing was drawn" in done.stderr


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda own: (own / "pictures" / "000.png").unlink(), "pictures/000.png: missing"),
        (lambda own: (own / "unet" / "evil.py").write_text("x"), "unet/evil.py: wasn't shipped"),
        (lambda own: flip(own / "manifest.json"), "manifest.json: isn't what was shipped"),
        (lambda own: flip(own / "MODEL_CARD.md"), "MODEL_CARD.md: isn't what was shipped"),
        (lambda own: (own / "link").symlink_to("/etc/hostname"), "link: is a link"),
    ],
    ids=["missing", "more", "manifest", "card", "link"],
)
def test_whatever_differs_is_named(own: Path, change, says):
    change(own)
    done = verify(own)
    assert done.exit_code == 1 and says in done.stderr


def test_a_manifest_edited_by_hand_is_found_though_the_sums_were_made_again(own: Path):
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["files"]["model_index.json"]["sha256"] = "0" * 64
    (own / "manifest.json").write_text(json.dumps(manifest))
    write_sums(own)
    done = verify(own)
    assert done.exit_code == 1 and "model_index.json: manifest.json and SHA256SUMS don't say the same" in done.stderr


def test_other_weights_with_right_sums_draw_other_pictures(own: Path):
    """What no hash can tell: the folder agrees with itself, and doesn't draw what it shows."""
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["pictures"]["seed"] += 1
    (own / "manifest.json").write_text(json.dumps(manifest))
    write_sums(own)
    done = verify(own)
    assert done.exit_code == 1 and "pictures/000.png: drawn anew it has" in done.stderr


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "isn't a shipped folder"),
        (lambda folder: folder.write_text(""), "is a file"),
    ],
    ids=["nothing", "a folder", "a file"],
)
def test_what_isnt_a_release_is_bad_input(tmp_path: Path, make, says):
    make(tmp_path / "other")
    done = verify(tmp_path / "other")
    assert done.exit_code == 2 and says in done.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": 1, "figures": []}'])
def test_a_broken_manifest_is_one_sentence(own: Path, text):
    (own / "manifest.json").write_text(text)
    write_sums(own)
    done = verify(own)
    assert done.exit_code == 2 and "manifest.json" in done.stderr
    with pytest.raises(Exception, match=r"manifest\.json"):
        figures_in(own)
