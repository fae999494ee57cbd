"""Pictures as people have them: which are read, as what, and which are left out and named."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import ROOT
from tests.data.scenes import scene
from tests.data.test_forms import CAPTIONS, beside
from workbench.data.captioned import captions, check, load
from workbench.data.forms import read_rows
from workbench.data.parts import Span
from workbench.data.pictures import BrokenPicture, header, read
from workbench.errors import InputError


def saved(picture: Image.Image, file: Path, kind: str, **settings: object) -> Span:
    picture.save(file, kind, **settings)
    return Span(file)


def png_header(width: int, height: int) -> bytes:
    """A complete PNG of one bit a pixel, all black."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(bytes(height * (1 + (width + 7) // 8)), 9)), (b"IEND", b"")]
    parts = [struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_sixteen_bits_keep_their_grey_levels(tmp_path):
    grey = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    for kind in ("PNG", "TIFF"):
        picture = read(saved(Image.fromarray(grey), tmp_path / "grey", kind))
        assert picture.mode == "RGB" and np.array_equal(np.asarray(picture)[..., 0], grey >> 8)


def test_what_is_transparent_is_white(tmp_path):
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    palette = Image.new("P", (8, 8))
    palette.putpalette([255, 0, 0])
    grey = Image.new("LA", (8, 8), (0, 0))
    for picture, settings in ((clear, {}), (palette, {"transparency": 0}), (grey, {})):
        assert read(saved(picture, tmp_path / "clear", "PNG", **settings)).getpixel((4, 4)) == (255, 255, 255)


def test_a_turned_photograph_stands_upright_and_the_first_frame_of_an_animation_is_read(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read(saved(scene(1, 40, 20), tmp_path / "turned", "JPEG", exif=exif.tobytes())).size == (20, 40)
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        moving = saved(frames[0], tmp_path / "moving", kind, save_all=True, append_images=frames[1:])
        red, _, blue = read(moving).getpixel((4, 4))
        assert red > 200 and blue < 60


def test_printers_colours_are_read(tmp_path):
    assert read(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "ink", "JPEG")).getpixel((4, 4))[0] > 200


def test_a_format_that_would_start_a_program_is_refused_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    for open_picture in (read, header):
        with pytest.raises(BrokenPicture, match="none of BMP"):
            open_picture(Span(tmp_path / "a.png"))


def test_nothing_opens_a_picture_of_any_format():
    calls = [line for file in (ROOT / "workbench").rglob("*.py") for line in file.read_text().splitlines()]
    opened = [line for line in calls if "Image.open(" in line]
    assert opened and all("formats=" in line for line in opened)


@pytest.mark.parametrize("size", [(20000, 20000), (10000, 9000)])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(png_header(*size))
    for open_picture in (read, header):
        with pytest.raises(BrokenPicture, match="more than 89478485 pixels"):
            open_picture(Span(tmp_path / "bomb.png"))


def test_every_bad_picture_is_left_out_counted_and_named_by_every_reader(tmp_path, demo, made, capsys):
    folder = beside(tmp_path / "mine")
    whole = io.BytesIO()
    scene(5).save(whole, "PNG")
    bad = {"bomb": png_header(20000, 20000), "cut": whole.getvalue()[:2000], "empty": b"", "vector": b"%!PS-Adobe-3.0"}
    for name, data in bad.items():
        (folder / f"{name}.png").write_bytes(data)
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to("loop.png")
    names = {*bad, "pipe", "loop"}
    for name in names:
        (folder / f"{name}.txt").write_text("a thing")
    captioned = {"blank": " \n", "long": "x" * 20_000, "huge": "x" * 3_000_000, "nul": "a\0b"}
    for name, text in captioned.items():
        scene(7).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(text)

    _, manifest = made({"name": "raw", "from": str(folder)})
    assert manifest["dropped"] == {
        "broken": len(names),
        "no caption": 1,
        "caption too long": 2,
        "caption with a NUL character": 1,
    }
    assert {line.split(".png: ")[0] for line in manifest["dropped_named"]["broken"]} == names
    assert check(str(folder), demo) == {"train"}
    warned = capsys.readouterr().err
    assert "9 of the 13 pictures looked at left out" in warned and "bomb.png: more than 89478485 pixels" in warned
    data = load(str(folder), demo)
    assert len(data.latents) == len(data.captions) == 3 and data.captions[0] == "a red cat"
    assert "10 of the 13 pictures of" in capsys.readouterr().err
    assert len(captions(str(folder), demo)) == 3 + len(names)
    for row in read_rows(folder):
        if row.name in (*CAPTIONS, "cut.png"):  # its header alone is whole
            row.picture.file.unlink()
    for reader in (check, load):
        with pytest.raises(InputError, match=r"no picture can be used: blank.png: found"):
            reader(str(folder), demo)
