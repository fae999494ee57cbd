"""Pictures from users' files: whatever is wrong with one is reported in a few words, not by a crash."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.data.operation import Row, Score
from workbench.data.parts import MOST_BYTES, Part

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Formats that Pillow decodes itself; others (EPS) would start a program."""
_BATCH = 32


class BrokenPicture(Exception):
    """Bytes that aren't a complete picture, or are one with the size of a decompression bomb."""


def read(picture: Part) -> Image.Image:
    """The first frame, fully decoded, upright, as RGB, what is transparent on white.

    Raises:
        BrokenPicture: it can't be decoded, or has more pixels than ``Image.MAX_IMAGE_PIXELS``.
    """
    from PIL import Image, ImageOps

    with _opened(picture) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("I", "F"):
            raise BrokenPicture("numbers of 32 bits, of which none is known to be white")
        if image.mode.startswith("I;16"):  # Pillow would make everything above 255 white
            return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return image.convert("RGB")


def header(picture: Part) -> tuple[str, int, int]:
    """Format, width and height, without decoding.

    Raises:
        BrokenPicture: as ``read`` does.
    """
    with _opened(picture) as image:
        return image.format or "", image.width, image.height


@contextmanager
def _opened(picture: Part) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            data = picture.read()
            if len(data) > MOST_BYTES:
                raise BrokenPicture(f"more than {MOST_BYTES} bytes")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                yield image
        except BrokenPicture:
            raise
        except UnidentifiedImageError:
            raise BrokenPicture(f"none of {', '.join(FORMATS)}" if data else "an empty file") from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise BrokenPicture(f"more than {Image.MAX_IMAGE_PIXELS} pixels") from None
        except Exception as error:  # decoders raise anything on unexpected bytes
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise BrokenPicture(reason) from None


def fitted(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 3] of ``size`` (W, H), cropped to the centre as for the model's autoencoder."""
    from PIL import ImageOps

    return np.asarray(ImageOps.fit(image, size))


def write_png(picture: np.ndarray | Image.Image, file: Path) -> None:
    """Writes uint8 [H, W, 3] or an image as PNG; a file of that name is complete, even after a kill."""
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".begun")
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(partial, "PNG")
    partial.replace(file)


def batches(rows: Sequence[Row], count: int = _BATCH) -> Iterator[Sequence[Row]]:
    """The rows, ``count`` at a time."""
    return (rows[i : i + count] for i in range(0, len(rows), count))


def scored(score: Score, pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """Scores float64 [N]; ValueError where the scorer doesn't return one finite number for each picture."""
    scores = np.asarray(score(pictures, captions), dtype=np.float64)
    if scores.shape != (len(captions),) or not np.isfinite(scores).all():
        raise ValueError(f"scores of shape {scores.shape} or not finite for {len(captions)} pictures")
    return scores
