"""Where the labels of a figure's points go: beside their point, where they cover the least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.report.figures.svg import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

EDGE = 3
"""Pixels that labels keep from the axes' edge."""
CLOSE = 12
"""Pixels between a point's edge and its label beyond which a thin line leads from one to the other."""
SWEEPS = 3
"""Times that each label may move again when it knows where the others are."""
_AROUND = ((1, 0), (1, 1), (1, -1), (0, 1), (0, -1), (-1, 0), (-1, 1), (-1, -1), (0.5, 1), (0.5, -1))
_PLACES = [(dx, dy, far) for far in (1.0, 2.5, 5.0, 8.0, 12.0, 17.0) for dx, dy in _AROUND]
"""Directions from the point, and how far; the earlier ones are preferred."""


@dataclass(frozen=True)
class _Place:
    """A label's place, in pixels: ``cost`` is that of it alone."""

    box: np.ndarray
    """Left, bottom, right, top."""
    leader: np.ndarray | None
    """The two ends of its line."""
    cost: float

    @property
    def text(self) -> np.ndarray:
        """What others should stay off, (1, 4)."""
        return (self.box + np.array([-2, -2, 2, 2]))[None]

    @property
    def line(self) -> np.ndarray:
        """The leader as small boxes, (n, 4)."""
        return np.zeros((0, 4)) if self.leader is None else _dots(self.leader)


def place_labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    radii: Sequence[float],
    labels: Sequence[Text],
    lines: Sequence[tuple[tuple[float, float], tuple[float, float]]] = (),
) -> None:
    """Moves each label beside its point, inside the axes, where it covers the least: labels, points, lines, texts.

    A label that finds no room close by is led to its point by a thin line, off the other points where that can be.

    Args:
        points: in data coordinates. radii: of the drawn points, in display pixels.
        labels: texts of the axes whose ``xy`` is their point and whose offset is in pixels.
        lines: pairs of ends in data coordinates.
    """
    if not labels:
        return
    for label in labels:
        label.set_in_layout(False)  # or the axes would shrink to make room for labels that stay inside
    axes.figure.canvas.draw()
    middle, edge = np.asarray(axes.transData.transform(points)), np.asarray(radii, float)[:, None]
    dots = np.hstack([middle - edge, middle + edge])
    taken = [dots] + [_dots(axes.transData.transform(ends)) for ends in lines]
    taken += [np.array([text.get_window_extent().extents]) for text in axes.texts if text not in labels]
    inside = np.asarray(axes.bbox.padded(-EDGE).extents)
    sizes = [(extent.width, extent.height) for extent in (label.get_window_extent() for label in labels)]
    choices = [
        _places(at, radius, size, inside, np.concatenate(taken), np.delete(dots, i, axis=0))
        for i, (at, radius, size) in enumerate(zip(middle, radii, sizes, strict=True))
    ]
    chosen: dict[int, _Place] = {}
    for _ in range(SWEEPS):
        for i, places in enumerate(choices):
            others = [place for j, place in chosen.items() if j != i]
            costs = [place.cost + _meets(place, others) for place in places]
            chosen[i] = places[costs.index(min(costs))]
    for i, label in enumerate(labels):
        # Held where it is closest to its point: a page's letters are narrower, and the text shrinks towards that place.
        left, bottom, right, _ = chosen[i].box - np.tile(middle[i], 2)
        sides = {"left": left, "center": (left + right) / 2, "right": right}
        held = min(sides, key=lambda side: abs(sides[side]))
        label.set(ha=held, position=(sides[held], bottom))
        leader = chosen[i].leader
        if leader is not None:
            x, y = axes.transData.inverted().transform(leader).T
            axes.plot(x, y, color=MUTED, linewidth=0.5, zorder=2, scalex=False, scaley=False)


def _places(
    point: np.ndarray,
    radius: float,
    size: tuple[float, float],
    inside: np.ndarray,
    taken: np.ndarray,
    others: np.ndarray,
) -> list[_Place]:
    """All places of one label: what it covers of ``taken``, its line of ``others``, and how far down the list it is."""
    out = []
    (x, y), (wide, high) = point, size
    for rank, (dx, dy, far) in enumerate(_PLACES):
        gap = radius + 5 * far
        left = x + dx * gap - {1: 0, 0.5: 0.25, 0: 0.5, -1: 1}[dx] * wide
        bottom = y + dy * gap - {1: 0, 0: 0.5, -1: 1}[dy] * high
        left = max(inside[0], min(left, inside[2] - wide))
        bottom = max(inside[1], min(bottom, inside[3] - high))
        box = np.array([left, bottom, left + wide, bottom + high])
        place = _Place(box, _leader(point, radius, box), 2 * _shared(box, taken) + 3 * rank)
        out.append(replace(place, cost=place.cost + sum(_shared(dot, others) for dot in place.line)))
    return out


def _meets(place: _Place, others: Sequence[_Place]) -> float:
    """What a label and its line share with the other labels and theirs; a line through a text is the worst."""
    if not others:
        return 0.0
    texts, lines = (np.concatenate([getattr(other, part) for other in others]) for part in ("text", "line"))
    crossed = sum(_shared(dot, texts) for dot in place.line) + _shared(place.box, lines)
    return 4 * _shared(place.box, texts) + 8 * crossed + sum(_shared(dot, lines) for dot in place.line)


def _leader(point: np.ndarray, radius: float, box: np.ndarray) -> np.ndarray | None:
    """From the edge of a point to the closest place of a label's box; None where the two are close."""
    to = np.clip(point, box[:2] - 1, box[2:] + 1)
    long = float(np.hypot(*(to - point)))
    return None if long < radius + CLOSE else np.stack([point + (to - point) * radius / long, to])


def _dots(ends: np.ndarray) -> np.ndarray:
    """A line as small boxes, (n, 4)."""
    start, end = np.asarray(ends)
    count = max(2, round(float(np.abs(end - start).max()) / 3))
    at = start + np.linspace(0, 1, count + 1)[:, None] * (end - start)
    return np.hstack([at - 2, at + 2])


def _shared(box: np.ndarray, others: np.ndarray) -> float:
    """The area that a box has in common with others, summed."""
    both = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(both.clip(0), axis=1).sum())
