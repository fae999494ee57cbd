"""Labels of points: readable where points lie on a heap, and within the axes also at their edge."""

from __future__ import annotations

from itertools import combinations

import pytest

from workbench.report.figures import svg
from workbench.report.figures.place_labels import place_labels

HEAP = [(5 + 0.05 * i, 5 + 0.1 * i) for i in range(5)]
AT_THE_EDGE = [(0.4 + 0.02 * i, 5 - 0.01 * i) for i in range(6)]


ONE_LINE, TWO_LINES = "candidate number", "candidate\nmore"


@pytest.mark.parametrize(
    ("points", "text", "far"),
    [(HEAP, ONE_LINE, False), (HEAP, TWO_LINES, True), (AT_THE_EDGE, ONE_LINE, True), (AT_THE_EDGE, TWO_LINES, True)],
    ids=["heap", "heap of two lines", "edge", "edge of two lines"],
)
def test_crowded_labels_are_kept_apart_and_inside(points, text, far):
    boxes, lines, inside = _placed(points, text)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1) for box in boxes)
    assert bool(lines) == far, "labels far from their point, and only these, are led to it"
    assert not any(box.contains(*dot) for line in lines for dot in line for box in boxes), "a line through a text"


def test_a_label_with_room_stands_beside_its_point_without_a_line():
    (box,), lines, _ = _placed([(5, 5)], ONE_LINE)
    assert not lines and box.width < box.x0 < 300


def test_a_label_keeps_off_a_text_that_stood_there_before():
    (alone,), _, _ = _placed([(5, 5)], ONE_LINE)
    (box,), _, _ = _placed([(5, 5)], ONE_LINE, standing="right of the point")
    assert not alone.overlaps(box) and box.y0 > alone.y1, "above what it would have covered"


def _placed(points, text, standing=""):
    """Boxes of the labels, dots along the lines that lead to them, and the box of the axes, in pixels."""
    with svg.style():
        figure, axes = svg.canvas(7, 3)
        axes.set(xlim=(0, 10), ylim=(0, 10))
        if standing:
            axes.text(5.2, 5, standing, va="center")
        labels = [
            axes.annotate(f"{text} {i}", p, (0, 0), textcoords="offset pixels", va="bottom")
            for i, p in enumerate(points)
        ]
        place_labels(axes, points, [5.0] * len(points), labels)
        figure.canvas.draw()
        lines = []
        for line in axes.lines:
            start, end = axes.transData.transform(line.get_xydata())
            lines.append([start + step / 20 * (end - start) for step in range(20)])
        return [label.get_window_extent() for label in labels], lines, axes.bbox
