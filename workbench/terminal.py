"""Tables on standard output, as wide as the terminal; where there is none, a row stays one line."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Sequence

WIDE = 1000
"""Columns where there is no terminal to fit into."""


def table(
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    left: Collection[str] | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> None:
    """Prints a table; ``left``: the columns that are text, by default the first.

    What is too wide for the terminal even with its cells folded is printed row by row, each under its first cell.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, title=title, title_justify="left", caption=caption, caption_justify="left")
    for name in names:
        text = name in (names[:1] if left is None else left)
        grid.add_column(name, justify="left" if text else "right", overflow="fold")
    cells = [tuple(row) for row in rows]
    for row in cells:
        grid.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if console.measure(grid).minimum < console.width:
        with console.capture() as printed:
            console.print(grid)
        print("\n".join(line.rstrip() for line in printed.get().splitlines()))
        return
    for row in cells:
        print(row[0])
        pairs = ", ".join(f"{name} {cell}".replace(" ", "\0") for name, cell in zip(names[1:], row[1:], strict=True))
        lines = textwrap.fill(pairs, console.width - 1, initial_indent="  ", subsequent_indent="  ")
        print(lines.replace("\0", " "))
