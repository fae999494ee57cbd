"""Captioned pictures in the forms in which people have them: the same rows from all, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ROOT
from tests.data.scenes import scene
from tests.fixtures.command import workbench
from workbench.data.forms import files_of, read_rows
from workbench.errors import InputError

MAIN = str(ROOT / "recipes" / "bk_tiny_w8a8.yaml")
CAPTIONS = {"a.png": "a red cat", "b.jpg": 'a dog, "big"\nand old', "c.png": "a naïve tree"}


def pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for i, name in enumerate(CAPTIONS):
        scene(i, 40, 32).save(folder / name)
    return folder


def jsonl(folder: Path, text: str = "text", name: str = "file_name") -> Path:
    rows = [json.dumps({name: file, text: caption}) for file, caption in CAPTIONS.items()]
    (pictures(folder) / "metadata.jsonl").write_text("\n".join(rows))
    return folder


def table(folder: Path, text: str = "text", name: str = "file_name") -> Path:
    with (pictures(folder) / "metadata.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("id", name, text), *((i, *row) for i, row in enumerate(CAPTIONS.items()))])
    return folder


def beside(folder: Path) -> Path:
    pictures(folder)
    for name, caption in CAPTIONS.items():
        (folder / name).with_suffix(".txt").write_text(f"{caption}\n")
    return folder


def json_beside(folder: Path) -> Path:
    pictures(folder)
    for name, caption in CAPTIONS.items():
        (folder / name).with_suffix(".json").write_text(json.dumps({"caption": caption, "width": 40}))
    return folder


def tar(file: Path, members: dict[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def as_tar(folder: Path, made: Callable[[Path], Path] = beside) -> Path:
    files = sorted(made(folder.with_name("plain")).iterdir())
    return tar(folder / "shard.tar", {f"./{file.name}": file.read_bytes() for file in files}).parent


def parquet(folder: Path, picture: str = "image", path: bool = True) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    files = pictures(folder.with_name("plain"))
    cells = [(files / name).read_bytes() for name in CAPTIONS]
    structs = [{"bytes": cell, "path": f"/home/her/{name}"} for cell, name in zip(cells, CAPTIONS, strict=True)]
    columns = {picture: structs if path else cells, "text": list(CAPTIONS.values()), "width": [40] * 3}
    folder.mkdir()
    write_table(pyarrow.table(columns), folder / "train-00000-of-00001.parquet", row_group_size=2)
    return folder


FORMS = {
    "jsonl": jsonl,
    "jsonl of other names": lambda folder: jsonl(folder, "caption", "image"),
    "csv": table,
    "csv of other names": lambda folder: table(folder, "caption", "image"),
    "a .txt beside each": beside,
    "a .json beside each": json_beside,
    "tar": as_tar,
    "tar with .json": lambda folder: as_tar(folder, json_beside),
    "parquet of datasets": parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_rows(tmp_path, form):
    plain = pictures(tmp_path / "expected")
    expected = [(name, text, "train", (plain / name).read_bytes()) for name, text in CAPTIONS.items()]
    folder = FORMS[form](tmp_path / "mine")
    read = [(row.name, row.text, row.split, row.picture.read()) for row in read_rows(folder)]
    assert read == expected
    assert {row.picture.file for row in read_rows(folder)} <= set(files_of(folder))
    for file in folder.iterdir():
        if file.suffix in (".csv", ".jsonl", ".parquet", ".tar"):
            assert [(r.name, r.text, r.split, r.picture.read()) for r in read_rows(file)] == expected
            assert {file, *(row.picture.file for row in read_rows(file))} == set(files_of(file))


def test_parquet_with_bare_bytes_numbers_its_pictures(tmp_path):
    rows = read_rows(parquet(tmp_path / "mine", path=False))
    assert [row.name for row in rows] == ["0000001", "0000002", "0000003"] and rows[2].picture.read()[1:4] == b"PNG"


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match="pyarrow") as error:
        read_rows(tmp_path)
    assert "edge-workbench[parquet]" in (error.value.hint or "")


def test_shards_are_read_in_order_and_their_names_say_the_split(tmp_path):
    plain = beside(tmp_path / "plain")
    members = {file.name: file.read_bytes() for file in sorted(plain.iterdir())}
    for shard in ("train-00000", "train-00001", "test-00000"):
        tar(tmp_path / "mine" / f"{shard}.tar", members)
    (tmp_path / "mine" / "train-00000.parquet").write_bytes(b"img2dataset lists its tar here")
    rows = read_rows(tmp_path / "mine")
    assert [row.name for row in rows][2:5] == ["test-00000/c.png", "train-00000/a.png", "train-00000/b.jpg"]
    assert [row.split for row in rows] == ["held_out"] * 3 + ["train"] * 6


def test_folders_named_like_splits_are_splits(tmp_path):
    jsonl(tmp_path / "with metadata" / "train")
    jsonl(tmp_path / "with metadata" / "test")
    beside(tmp_path / "with texts" / "training")
    beside(tmp_path / "with texts" / "validation")
    for folder in tmp_path.iterdir():
        rows = read_rows(folder)
        assert sorted({row.split for row in rows}) == ["held_out", "train"] and len(rows) == 6
        assert all(row.picture.read() == (folder / row.name).read_bytes() for row in rows)


def test_two_forms_in_one_folder_are_said_and_naming_the_file_decides(tmp_path):
    folder = jsonl(tmp_path / "mine")
    (folder / "README.txt").write_text("not a caption")
    assert len(read_rows(folder)) == 3
    (folder / "a.txt").write_text("another")
    with pytest.raises(InputError, match=r"more than one form: metadata.jsonl .* and a text beside each picture"):
        read_rows(folder)
    assert read_rows(folder / "metadata.jsonl")[0].text == "a red cat"


def test_a_picture_without_a_text_beside_it_has_an_empty_caption(tmp_path):
    folder = beside(tmp_path / "mine")
    (folder / "b.txt").unlink()
    assert [row.text for row in read_rows(folder)] == ["a red cat", "", "a naïve tree"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("metadata.jsonl", '{"file_name": "a.png"}', r"jsonl:1: found .*'file_name'.*needs one of text and caption"),
        ("metadata.jsonl", '{"file_name": "a.png", "text": "x", "caption": "y"}', r"jsonl:1: .* one of text and"),
        ("metadata.jsonl", '{"file_name": 5, "text": "x"}', r"jsonl:1: file_name: found 5"),
        ("metadata.jsonl", "[" * 100_000, r"jsonl:1: found '\[\[+\.\.\.\[+'; needs a JSON object"),
        ("metadata.jsonl", '{"file_name": "/etc/hostname", "text": "x"}', r"jsonl:1: no picture '/etc/hostname'"),
        ("metadata.jsonl", '{"file_name": "%s", "text": "x"}' % ("a" * 9999), r"jsonl:1: no picture 'aa+' in"),
        ("metadata.csv", "file_name;text\na.png;x\n", r"csv:2: found \['file_name;text'\]; needs one of file_name"),
        ("metadata.csv", "file_name,text\na.png\n", r"csv:2: needs 2 fields"),
        ("metadata.csv", "file_name,text\na.png,x,y\n", r"csv:2: needs 2 fields"),
        ("metadata.csv", "file_name,text,text\na.png,x,y\n", r"csv:1: .* every column once"),
        ("metadata.csv", 'file_name,text\na.png,"x\n', r"csv:\d: not valid CSV"),
        ("metadata.csv", f"file_name,text\na.png,{'x' * 200_000}\n", r"csv:2: not valid CSV"),
        ("metadata.csv", "file_name,text\na.png,caf\xe9\n", r"csv:2: not UTF-8"),
        ("metadata.csv", "file_name,text\n../a.png,x\n", r"csv:2: no picture '\.\./a\.png'"),
        ("metadata.csv", "", r"metadata.csv: no pictures in it"),
        ("a.txt", "caf\xe9", r"a.txt:1: not UTF-8"),
        ("a.json", "{}", r"a.json: found \[\]; needs one of text and caption"),
        ("a.json", '{"text": "x", "split": 5}', r"a.json: split: found 5"),
        ("x.tar", "no tar", r"x.tar: not a plain tar"),
        ("x.parquet", "no parquet", r"x.parquet: (not a parquet file|parquet is read by pyarrow)"),
        ("x.dat", "", r"mine: 3 pictures and no captions"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, name, content, says):
    (pictures(tmp_path / "mine") / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=says) as error:
        read_rows(tmp_path / "mine")
    assert len(error.value.message) < 600


@pytest.mark.parametrize("place", ["nowhere", "x.zip", "a" * 5000, "pipe"])
def test_what_is_no_set_at_all_is_refused(tmp_path, place):
    (tmp_path / "x.zip").write_bytes(b"PK")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"no such folder or file|no form of captioned"):
        read_rows(tmp_path / place)


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "x.tar", "x.parquet", "a.txt"])
def test_a_pipe_in_place_of_captions_is_not_waited_for(tmp_path, name):
    os.mkfifo(pictures(tmp_path / "mine") / name)
    with pytest.raises(InputError, match=f"{name}: is a device or pipe"):
        read_rows(tmp_path / "mine")


@pytest.mark.parametrize("name", ["b.jpg", "a.txt"])
def test_a_link_that_leaves_the_folder_is_refused_beside_texts_too(tmp_path, name):
    folder = beside(tmp_path / "mine")
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(InputError, match=f"no picture '{name}'"):
        read_rows(folder)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ({"name": "../a.png"}, "a name that leaves"),
        ({"name": "/etc/a.png"}, "a name that leaves"),
        ({"name": "a" * 250 + ".png"}, "more than 200 bytes"),
        ({"name": "b.png/c.png"}, "'b.png': both a file and a folder"),
        ({"name": "a.png", "type": tarfile.SYMTYPE, "linkname": "/etc/hostname"}, "a link, a device or a pipe"),
        ({"name": "a.png", "type": tarfile.LNKTYPE, "linkname": "b.png"}, "a link, a device or a pipe"),
        ({"name": "a.png", "type": tarfile.CHRTYPE}, "a link, a device or a pipe"),
        ({"name": "a.png", "type": tarfile.FIFOTYPE}, "a link, a device or a pipe"),
    ],
)
def test_a_hostile_member_of_a_tar_is_refused_and_named(tmp_path, member, says):
    file = tar(tmp_path / "x.tar", {"b.png": b"", "b.txt": b"b"})
    with tarfile.open(file, "a") as archive:
        hostile = tarfile.TarInfo()
        for key, value in member.items():
            setattr(hostile, key, value)
        archive.addfile(hostile)
    with pytest.raises(InputError, match=says):
        read_rows(file)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    folder = beside(tmp_path / "mine")
    (folder / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    tar(tmp_path / "x.tar", {os.fsdecode(b"caf\xe9.png"): b"", "b.txt": b"b"})
    for place in (folder, tmp_path / "x.tar"):
        with pytest.raises(InputError, match=r"'caf.udce9.png': a name that isn't UTF-8"):
            read_rows(place)


def test_a_tar_that_is_cut_off_is_refused(tmp_path):
    file = tar(tmp_path / "x.tar", {"b.png": bytes(9000), "b.txt": b"b"})
    file.write_bytes(file.read_bytes()[:4096])
    with pytest.raises(InputError, match=r"x.tar: not a plain tar"):
        read_rows(file)


def test_check_takes_pictures_as_people_have_them(tmp_path):
    for make in (table, beside, as_tar):
        folder = make(tmp_path / make.__name__ / "mine")
        done = workbench("check", MAIN, "--set", f"data={folder}", "--store", str(tmp_path / "store"))
        assert done.exit_code == 0, done.stderr
