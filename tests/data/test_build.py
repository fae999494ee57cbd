"""Data sets as they are made: what is dropped, altered, kept, and what the manifest says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.scenes import scene
from workbench.data.captioned import load
from workbench.data.forms import read_rows
from workbench.errors import InputError
from workbench.progress import quiet


def names(out: Path) -> list[str]:
    return [json.loads(line)["file_name"] for line in (out / "metadata.jsonl").read_text().splitlines()]


def test_broken_pictures_are_skipped_counted_and_named(folder, made, demo):
    whole = scene(1)
    mine = folder({"a.png": (whole, "a"), "text.png": (b"not a picture", "b"), "none.png": (scene(2), " ")})
    whole.save(mine / "cut.jpg")
    (mine / "cut.jpg").write_bytes((mine / "cut.jpg").read_bytes()[:400])
    with (mine / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "cut.jpg", "text": "d"}\n')
    out, manifest = made({"name": "raw", "from": str(mine)})
    assert names(out) == ["pictures/a.png"]
    assert manifest["dropped"] == {"broken": 2, "no caption": 1}
    assert manifest["dropped_named"]["broken"][0] == "text.png: none of BMP, GIF, JPEG, PNG, TIFF, WEBP"
    assert manifest["dropped_named"]["broken"][1].startswith("cut.jpg: ")
    assert manifest["operations"][0]["came_in"] == 4 and manifest["pictures"] == {"total": 1, "train": 1}
    assert json.loads((out / "manifest.json").read_text()) == manifest
    assert (out / "pictures" / "a.png").read_bytes() == (mine / "a.png").read_bytes()
    assert len((out / "dropped.jsonl").read_text().splitlines()) == 3
    assert sorted(p.name for p in out.iterdir()) == ["dropped.jsonl", "manifest.json", "metadata.jsonl", "pictures"]
    assert load(str(out), demo).latents.shape == (1, 4, 16, 16)


def test_a_picture_with_too_many_pixels_is_broken(folder, made, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 100)
    mine = folder({"a.png": (scene(1), "a"), "wide.png": (scene(2, 120, 100), "b"), "bomb.png": (scene(3, 300), "c")})
    out, manifest = made({"name": "raw", "from": str(mine)})
    assert names(out) == ["pictures/a.png"] and manifest["dropped"] == {"broken": 2}
    assert "more than 10000 pixels" in manifest["dropped_named"]["broken"][0]


def test_a_link_out_of_the_folder_is_refused(folder, made, tmp_path):
    mine = folder({"a.png": (scene(1), "a")})
    scene(2).save(tmp_path / "secret.png")
    (mine / "b.png").symlink_to(tmp_path / "secret.png")
    with (mine / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "b.png", "text": "b"}\n')
    with pytest.raises(InputError, match=r"metadata.jsonl:2: no picture 'b.png'"):
        made({"name": "raw", "from": str(mine)})


@pytest.mark.parametrize("split", [None, "total"])
def test_a_split_that_is_no_text_or_taken_is_reported(folder, made, split):
    mine = folder({"a.png": (scene(1), "a", split)})
    with pytest.raises(InputError, match=rf"metadata.jsonl:1: split: found {split!r}"):
        made({"name": "raw", "from": str(mine)})


def test_names_with_dots_stay_inside_and_one_picture_may_have_two_captions(folder, made, tmp_path):
    mine = folder({"a.png": (scene(1), "a")})
    (mine / "sub").mkdir()
    with (mine / "metadata.jsonl").open("a") as file:
        file.write('{"file_name": "sub/../a.png", "text": "again"}\n')
    out, _ = made({"name": "raw", "from": str(mine)})
    assert names(out) == ["pictures/a.png"] * 2 and len(list((out / "pictures").iterdir())) == 1


def test_near_duplicates_go_the_largest_stays_and_other_colours_are_other_pictures(folder, made):
    picture, other = scene(1), Image.fromarray(np.asarray(scene(1))[..., ::-1].copy())
    mine = folder(
        {
            "small.jpg": (picture.resize((48, 48)), "a"),
            "large.png": (picture, "b"),
            "colours.png": (other, "c"),
            "else.png": (scene(2), "d"),
        }
    )
    out, manifest = made({"name": "clean", "from": str(mine), "deduplicate": {}})
    assert names(out) == [f"pictures/{n}.png" for n in ("large", "colours", "else")]
    assert manifest["dropped"] == {"near-duplicate": 1}
    assert manifest["dropped_named"]["near-duplicate"] == ["small.jpg: of large.png"]


def test_a_training_picture_like_a_held_out_one_goes_and_held_out_ones_pass_as_they_are(folder, made, demo_score):
    wide = scene(1, 120, 60)
    mine = folder(
        {
            "asked.png": (wide, "asked", "held_out"),
            "again.png": (wide, "asked again", "held_out"),
            "leak.jpg": (wide, "leak"),
            "free.png": (scene(2, 120, 60), "free"),
        }
    )
    everything = {
        "deduplicate": {},
        "min_side": 60,
        "crop": "best_of_3",
        "captions": {"template": "a picture of {}"},
        "curate": {"keep": 1.0},
    }
    out, manifest = made({"name": "clean", "from": str(mine), **everything}, score=demo_score)
    assert manifest["dropped"] == {"near-duplicate of held_out": 1}
    assert manifest["pictures"] == {"total": 3, "train": 1, "held_out": 2}
    table = read_rows(out)
    assert [(row.text, row.split) for row in table] == [
        ("a picture of free", "train"),
        ("asked", "held_out"),
        ("asked again", "held_out"),
    ]
    assert (out / "pictures" / "asked.png").read_bytes() == (mine / "asked.png").read_bytes()
    assert Image.open(out / "pictures" / "free.png").size == (60, 60)


def test_small_pictures_go_and_when_none_is_left_the_filters_are_reported(folder, made):
    twin = scene(1)
    mine = folder({"a.png": (twin, "a"), "b.png": (twin, "b"), "c.png": (scene(2, 90, 400), "c")})
    out, manifest = made({"name": "some", "from": str(mine), "min_side": 96})
    assert names(out) == ["pictures/a.png", "pictures/b.png"]
    assert manifest["dropped_named"] == {"smaller than 96 px": ["c.png: 90 x 400"]}
    with pytest.raises(InputError, match="all pictures were filtered away: 1 near-duplicate, 2 smaller than 97 px"):
        made({"name": "none", "from": str(mine), "deduplicate": {}, "min_side": 97})


def test_a_folder_of_broken_pictures_only_is_one_error(folder, made):
    with pytest.raises(InputError, match=r"data set raw: all pictures were filtered away: 1 broken; the first: a.png"):
        made({"name": "raw", "from": str(folder({"a.png": (b"", "a"), "h.png": (scene(1), "h", "held_out")}))})


@pytest.mark.parametrize("upright", [False, True])
def test_the_crop_that_shows_what_the_caption_says_is_taken(folder, made, embedded, tmp_path, demo_score, upright):
    from workbench.data.latents import decode

    thing = np.asarray(Image.open(decode(embedded(["monkey"]), tmp_path, quiet)[0].picture.file))
    ground = np.full((64, 64, 3), 255, np.uint8)
    picture = np.concatenate([ground, ground, thing], axis=0 if upright else 1)
    mine = folder({"m.jpg": (Image.fromarray(picture), "monkey"), "square.png": (scene(1, 64, 64), "cat")})
    out, manifest = made({"name": "clean", "from": str(mine), "crop": "best_of_3"}, score=demo_score)
    record = manifest["operations"][-1]
    assert record["taken"] == {"centre": 0, "start": 0, "end": 1} and record["altered"] == 1
    assert record["score_taken"] > record["score_centre"]
    taken = np.asarray(Image.open(out / "pictures" / "m.png")).astype(float)
    assert np.abs(taken - thing).mean() < 8
    centre, cropped = made({"name": "centre", "from": str(mine), "crop": "centre"})
    assert cropped["operations"][-1]["taken"] == {"centre": 1}
    assert np.asarray(Image.open(centre / "pictures" / "m.png")).min() > 200


def test_the_embedded_pictures_are_decoded_with_their_splits_and_encode_back(embedded, made, demo):
    source = embedded(["monkey", "gorilla on a yellow background"], ["monkey on a yellow background"])
    out, manifest = made({"name": "raw", "from": "demo"}, source=source)
    assert manifest["pictures"] == {"total": 3, "train": 2, "held_out": 1}
    assert Image.open(out / "pictures" / "00000.png").size == (64, 64)
    before, after = load(None, source), load(str(out), source)
    assert after.captions == before.captions and after.split == before.split
    apart = (after.latents - before.latents).norm() / before.latents.norm()
    assert float(apart) < 0.12


def test_without_a_scorer_the_best_crop_and_curation_are_refused(folder, made):
    mine = str(folder({"a.png": (scene(1), "a")}))
    with pytest.raises(InputError, match="crop: best_of_3 needs a scorer"):
        made({"name": "clean", "from": mine, "crop": "best_of_3"})
    with pytest.raises(InputError, match="curate needs a scorer"):
        made({"name": "best", "from": mine, "curate": {"keep": 0.5}})


def test_curation_keeps_the_pairs_that_go_together(folder, made, demo_score):
    mine = folder({f"{i}.png": (scene(i, 64, 64), text) for i, text in enumerate(("cat", "dog", "tree", "red car"))})
    pictures = np.stack([np.asarray(scene(i, 64, 64)) for i in range(4)])
    score = demo_score(pictures, ["cat", "dog", "tree", "red car"])
    best = sorted(np.argsort(-score)[:2].tolist())
    out, manifest = made({"name": "best", "from": str(mine), "curate": {"keep": 0.5}}, score=demo_score)
    assert names(out) == [f"pictures/{i}.png" for i in best]
    record = manifest["operations"][-1]
    assert record["score_before"] == pytest.approx(score.mean(), abs=1e-5)
    assert record["score_after"] == pytest.approx(score[best].mean(), abs=1e-5)
    limit = float(np.sort(score)[-1]) - 1e-4
    out, manifest = made({"name": "top", "from": str(mine), "curate": {"least": limit}}, score=demo_score)
    assert names(out) == [f"pictures/{int(score.argmax())}.png"]
    with pytest.raises(InputError, match="4 scores below 1"):
        made({"name": "none", "from": str(mine), "curate": {"least": 1}}, score=demo_score)


def test_a_set_of_held_out_pictures_only_has_nothing_to_curate(folder, made, demo_score):
    mine = folder({"a.png": (scene(1), "a", "held_out")})
    with pytest.raises(InputError, match="data set best: nothing to curate"):
        made({"name": "best", "from": str(mine), "curate": {"keep": 0.5}}, score=demo_score)


def test_captions_come_from_templates_by_seed_or_from_a_file(folder, made, tmp_path):
    mine = folder({f"{i}.png": (scene(i), f"thing {i}") for i in range(8)})
    raw, _ = made({"name": "raw", "from": str(mine)})
    settings = {"from": "raw", "captions": {"template": ["a {}", "a picture of a {}"]}}
    texts = [
        [row.text for row in read_rows(made({"name": name, **settings}, {"raw": raw}, seed=seed)[0])]
        for name, seed in (("one", 0), ("two", 0), ("three", 1))
    ]
    assert texts[0] == texts[1] != texts[2]
    assert {text.rsplit(" thing", 1)[0] for text in texts[0]} == {"a", "a picture of a"}
    lines = [{"file_name": "pictures/1.png", "text": "new"}, {"file_name": "77.png", "text": "gone"}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    from_file = {"name": "four", "from": "raw", "captions": {"file": str(tmp_path / "c.jsonl")}}
    out, manifest = made(from_file, {"raw": raw})
    assert [row.text for row in read_rows(out)][:3] == ["thing 0", "new", "thing 2"]
    record = manifest["operations"][-1]
    assert (record["altered"], record["kept_old_caption"], record["lines_without_picture"]) == (1, 7, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense\n", r"c.jsonl:1: found 'nonsense'"),
        ('{"file_name": "a.png", "text": ""}\n', r"c.jsonl:1: a.png: found ''"),
        ('{"file_name": "a.png", "text": null}\n', r"c.jsonl:1: a.png: found ''"),
        ('{"file_name": "a.png", "text": "a\\u0000b"}\n', r"c.jsonl:1: a.png: caption with a NUL"),
        ('{"file_name": "a.png", "text": "x"}\n' * 2, r"c.jsonl:2: a.png is named twice"),
        ('{"file_name": "z.png", "text": "x"}\n', r"names none of the 1 pictures: found z.png"),
    ],
)
def test_a_caption_file_that_does_not_fit_is_reported(folder, made, tmp_path, text, says):
    (tmp_path / "c.jsonl").write_text(text)
    mine = str(folder({"a.png": (scene(1), "a")}))
    with pytest.raises(InputError, match=says):
        made({"name": "new", "from": mine, "captions": {"file": str(tmp_path / "c.jsonl")}})


def test_a_caption_file_names_pictures_as_they_were_called_before_the_crop(folder, made, tmp_path):
    mine = folder({"wide.jpg": (scene(1, 96, 64), "old"), "b.jpg": (scene(2, 64, 64), "old"), "b.png": (scene(3), "c")})
    lines = [{"file_name": name, "text": f"new {name}"} for name in ("wide.jpg", "b.jpg")]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = {"crop": "centre", "captions": {"file": str(tmp_path / "c.jsonl")}}
    out, manifest = made({"name": "new", "from": str(mine), **settings})
    assert {row.name: row.text for row in read_rows(out)} == {
        "wide.png": "new wide.jpg",
        "b.jpg": "new b.jpg",
        "b.png": "c",
    }
    record = manifest["operations"][-1]
    assert (record["altered"], record["kept_old_caption"], record["lines_without_picture"]) == (2, 1, 0)
    (tmp_path / "c.jsonl").write_text('{"file_name": "wide.png", "text": "x"}\n')
    with pytest.raises(InputError, match=r"names none of the 3 pictures: found wide.png") as error:
        made({"name": "none", "from": str(mine), **settings})
    assert error.value.hint == "a file_name is a name in the set before, here one of wide.jpg, b.jpg, b.png"


@pytest.mark.parametrize("caption", ["one\u2028line", "one\x85line", "one\u2029line", "one\x0cline", "two\nlines"])
def test_a_caption_with_an_odd_line_break_comes_through_set_after_set(folder, made, tmp_path, caption):
    mine = folder({"a.png": (scene(1), "a"), "b.png": (scene(2), "b")})
    line = json.dumps({"file_name": "a.png", "text": caption}, ensure_ascii=False)
    (tmp_path / "c.jsonl").write_bytes((line + "\r\n\n").encode())
    first, _ = made({"name": "first", "from": str(mine), "captions": {"file": str(tmp_path / "c.jsonl")}})
    second, _ = made({"name": "second", "from": "first"}, {"first": first})
    third, _ = made({"name": "third", "join": ["first", "second"]}, {"first": first, "second": second})
    assert [row.text for row in read_rows(third)] == [caption, "b"]


def test_a_recipes_own_pictures_are_a_folder_or_what_the_model_brings(folder, made, embedded):
    mine = folder({"a.png": (scene(1), "a"), "h.png": (scene(2), "h", "held_out"), "cut.png": (b"", "c")})
    out, manifest = made({"name": "raw", "from": "data"}, data=str(mine))
    assert names(out) == ["pictures/a.png", "pictures/h.png"] and manifest["dropped"] == {"broken": 1}
    assert manifest["came_in"] == [{"from": "data", "pictures": {"total": 3, "train": 2, "held_out": 1}}]
    source = embedded(["monkey"], ["monkey on a yellow background"])
    for data in (None, "demo"):
        out, manifest = made({"name": f"own_{data}", "from": "data"}, source=source, data=data)
        assert [row.text for row in read_rows(out)] == ["monkey", "monkey on a yellow background"]
        assert manifest["came_in"] == [{"from": "data", "pictures": {"total": 2, "train": 1, "held_out": 1}}]


def test_a_join_has_every_pair_once_under_its_sets_name(folder, made):
    mine = folder({"a.png": (scene(1), "a"), "b.png": (scene(2), "b"), "h.png": (scene(3), "h", "held_out")})
    raw, _ = made({"name": "raw", "from": str(mine)})
    new, _ = made({"name": "new", "from": "raw", "captions": {"template": "a {}"}}, {"raw": raw})
    out, manifest = made({"name": "all", "join": ["raw", "new"]}, {"raw": raw, "new": new})
    assert manifest["pictures"] == {"total": 5, "train": 4, "held_out": 1}
    assert manifest["came_in"] == [
        {"from": name, "pictures": {"total": 3, "train": 2, "held_out": 1}} for name in ("raw", "new")
    ]
    assert manifest["dropped_named"] == {"the same pair twice": ["new/h.png: as raw/h.png"]}
    assert set(names(out)) == {f"pictures/{s}/{n}.png" for s in ("raw", "new") for n in "ab"} | {"pictures/raw/h.png"}


def test_a_set_made_again_is_the_same_byte_for_byte(folder, made, demo_score):
    mine = folder({f"{i}.png": (scene(i, 80, 64), "cat") for i in range(4)})
    settings = {"from": str(mine), "crop": "best_of_3", "captions": {"template": ["a {}", "{}"]}}
    first, second = (made({"name": name, **settings}, score=demo_score, seed=3)[0] for name in ("x", "y"))
    assert (first / "metadata.jsonl").read_bytes() == (second / "metadata.jsonl").read_bytes()
    assert all((second / name).read_bytes() == (first / name).read_bytes() for name in names(first))
