"""Pictures from users' files: whatever is wrong with one is reported in a few words, not by a crash."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.data.work import Row, Score

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Formats that Pillow decodes itself; others (EPS) would start a program."""
_BATCH = 32


class BrokenPicture(Exception):
    """A file that isn't a complete picture, or one with the size of a decompression bomb."""


def read(file: Path) -> Image.Image:
    """The picture, fully decoded, upright, as RGB.

    Raises:
        BrokenPicture: it can't be decoded, or has more pixels than ``Image.MAX_IMAGE_PIXELS``.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=FORMATS) as image:
                return ImageOps.exif_transpose(image).convert("RGB")
        except UnidentifiedImageError:
            raise BrokenPicture("not a picture") from None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise BrokenPicture(f"more than {Image.MAX_IMAGE_PIXELS} pixels") from None
        except Exception as error:  # decoders raise anything on unexpected bytes
            raise BrokenPicture(str(error) or type(error).__name__) from None


def size(file: Path) -> tuple[int, int]:
    """Width and height from the file's header."""
    from PIL import Image

    with Image.open(file, formats=FORMATS) as image:
        return image.size


def fitted(image: Image.Image, side: int) -> np.ndarray:
    """uint8 [side, side, 3], cropped to the centre as for the model's autoencoder."""
    from PIL import ImageOps

    return np.asarray(ImageOps.fit(image, (side, side)))


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
