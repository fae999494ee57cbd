"""Near-duplicates by perceptual hash and colour.

The hash is pHash (64 signs of the low frequencies of the luminance), by ``imagehash``. It ignores colour, and the same
object on another background is another picture to a text-to-image model; so colours have to agree as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.data.operation import Done, Drop, Row, Work
from workbench.data.parts import Part
from workbench.data.pictures import read
from workbench.data.sets import Deduplicate

_THUMBNAIL = 8


def deduplicate(train: Sequence[Row], work: Work) -> Done:
    """Drops pictures that are close to one that stays; held-out rows always stay.

    Larger pictures are considered first, equal ones in order. Each is compared with those that stay, so a chain of
    small differences isn't one duplicate.
    """
    settings = work.data_set.deduplicate or Deduplicate()
    rows = [*work.held_out, *train]
    hashes, thumbnails, pixels = _marks([row.picture for row in rows], work)
    order = sorted(range(len(work.held_out), len(rows)), key=lambda i: (-pixels[i], i))
    stays = np.zeros(len(rows), dtype=bool)
    stays[: len(work.held_out)] = True
    dropped = []
    for i in order:
        staying = np.flatnonzero(stays)
        similar = staying[np.bitwise_count(hashes[staying] ^ hashes[i]) <= settings.distance]
        distance = np.abs(thumbnails[similar] - thumbnails[i]).mean(axis=1).max(axis=1, initial=0)
        twins = similar[distance <= settings.colour]
        if len(twins):
            twin = int(twins[0])
            why = "near-duplicate" if twin >= len(work.held_out) else f"near-duplicate of {rows[twin].split}"
            dropped.append(Drop(rows[i].name, why, f"of {rows[twin].name}"))
        else:
            stays[i] = True
    return Done([row for i, row in enumerate(rows) if stays[i] and i >= len(work.held_out)], dropped)


def _marks(pictures: Sequence[Part], work: Work) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Hashes uint64 [N], thumbnails float32 [N, 64, 3], numbers of pixels."""
    import imagehash
    from PIL import Image

    hashes = np.zeros(len(pictures), dtype=np.uint64)
    thumbnails = np.zeros((len(pictures), _THUMBNAIL**2, 3), dtype=np.float32)
    pixels = []
    with work.progress("deduplicate", len(pictures)) as tick:
        for i, picture in enumerate(pictures):
            image = read(picture)
            pixels.append(image.width * image.height)
            hashes[i] = np.packbits(imagehash.phash(image).hash.ravel()).view(np.uint64)[0]
            small = image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
            thumbnails[i] = np.asarray(small, dtype=np.float32).reshape(-1, 3)
            tick(i + 1)
    return hashes, thumbnails, pixels
