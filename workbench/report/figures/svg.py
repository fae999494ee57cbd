"""matplotlib figures as small inline SVG: deterministic, transparent, coloured by the page's CSS variables."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Colours that stand for CSS variables until the SVG is written; every one must be unlike any real colour.
FG, MUTED, GRID, BG, ACCENT, BAD = "#010203", "#020304", "#030405", "#040506", "#050607", "#060708"
SERIES = ("#0a0101", "#0a0202", "#0a0303", "#0a0404", "#0a0505", "#0a0606", "#0a0707")
VARIABLES = {FG: "--fg", MUTED: "--muted", GRID: "--grid", BG: "--bg", ACCENT: "--accent", BAD: "--bad"} | {
    colour: f"--s{i}" for i, colour in enumerate(SERIES)
}
SVG_DPI = 72
"""What matplotlib writes SVG with: pixels measured while drawing are pixels of the file."""
FONT_PT = 8.25
CSS_PX_PER_PT = 1.5
"""At full width the figures' text is 12.4 CSS pixels high."""


@contextmanager
def style() -> Iterator[None]:
    """matplotlib settings under which every figure is drawn; leaves the caller's settings as they were."""
    import matplotlib as mpl
    from cycler import cycler

    settings: dict[str, Any] = {
        "svg.fonttype": "none",
        "text.parse_math": False,
        "svg.hashsalt": "workbench",
        "font.family": "DejaVu Sans",
        "font.size": FONT_PT,
        "axes.labelsize": FONT_PT,
        "axes.titlesize": FONT_PT,
        "xtick.labelsize": FONT_PT,
        "ytick.labelsize": FONT_PT,
        "text.color": FG,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": GRID,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "axes.prop_cycle": cycler(color=[FG]),
    }
    with mpl.rc_context():
        current: Any = mpl.rcParams  # its type lists every key
        current.update(settings)
        yield


def canvas(width: float, height: float, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of ``width`` × ``height`` inches without a GUI, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=SVG_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, **options)


def to_svg(figure: Figure, name: str, title: str) -> str:
    """The figure as an ``<svg>`` element; ``name`` keeps its ids apart, ``title`` is read out by screen readers."""
    from html import escape

    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\s*|<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.S)
    text = text.replace("xlink:href", "href")
    # A hundredth of a point is finer than any screen; the figure's texts, which may hold numbers, stay as they are.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d{2})\d+", r"\1", tag[0]), text)
    root, rest = text.split(">", 1)
    width, height = re.findall(r'(?:width|height)="([\d.]+)pt"', root)
    shown = f"--w:{float(width) * CSS_PX_PER_PT:.0f}px"
    label = f'role="img" aria-label="{escape(title)}"'
    text = f'<svg class="figure" style="{shown}" viewBox="0 0 {width} {height}" {label}>{rest}'
    # Clips and markers are named by hashes over places to the last bit, which the layout doesn't always give alike.
    for i, hashed in enumerate(dict.fromkeys(re.findall(r'\bid="\w*?([0-9a-f]{10})"', text))):
        text = text.replace(hashed, str(i))
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)  # the page's own font; its letters are narrower than these
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text.strip()


def row_label(name: str) -> str:
    """A candidate's name as it fits a figure; tables have it whole."""
    return name if len(name) <= 40 else f"{name[:26]}…{name[-13:]}"


def spread(values: Sequence[float], least: float) -> list[float]:
    """Values moved apart so that neighbours differ by ``least`` or more, each moved as little as a few passes find."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    out = [values[i] for i in order]
    for _ in range(200):
        moved = False
        for i in range(1, len(out)):
            lack = least - (out[i] - out[i - 1])
            if lack > 1e-9:
                out[i - 1], out[i], moved = out[i - 1] - lack / 2, out[i] + lack / 2, True
        if not moved:
            break
    placed = dict(zip(order, out, strict=True))
    return [placed[i] for i in range(len(values))]


def end_labels(axes: Axes, ends: Mapping[str, tuple[float, float]], tint: Mapping[str, str]) -> None:
    """Names at the right ends of lines, moved apart where they would overlap."""
    axes.figure.canvas.draw()
    heights = [float(axes.transData.transform(end)[1]) for end in ends.values()]
    line = FONT_PT * 1.35 * axes.figure.dpi / 72
    places, floor = spread(heights, line), axes.bbox.y0 + line / 2
    for i in sorted(range(len(places)), key=lambda i: places[i]):  # none below the axis, where its numbers stand
        places[i] = max(places[i], floor)
        floor = places[i] + line
    for (name, end), old, new in zip(ends.items(), heights, places, strict=True):
        down = (new - old) * 72 / axes.figure.dpi
        axes.annotate(
            name, end, (6, down), textcoords="offset points", va="center", color=tint[name], annotation_clip=False
        )
