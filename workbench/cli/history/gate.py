"""``workbench gate``: exit 1 where a release is worse than the one before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import AsJson, StoreFolder


def gate(
    new: Annotated[
        str,
        typer.Argument(
            metavar="NEW", help="A shipped folder, or RUN or RUN/CANDIDATE of the store.", show_default=False
        ),
    ],
    against: Annotated[
        str, typer.Option("--against", metavar="OLD", help="The same, or FILE.json that --update wrote.")
    ],
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="How much worse NEW may be (YAML).")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Measure both in turns on this machine, instead of what is stored.")
    ] = False,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write a summary for a pull request.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Record NEW in OLD, a FILE.json, where it passes or is the first.")
    ] = False,
    store: StoreFolder = None,
    as_json: AsJson = False,
) -> None:
    """Judge a release against the one before: latency, size, memory, quality, layers."""
    from workbench.progress import visible
    from workbench.store.store import Store
    from workbench.verbs.gate.gate import Wanted, check
    from workbench.verbs.gate.gate import gate as work
    from workbench.verbs.gate.policy import load_policy
    from workbench.verbs.gate.show import show

    wanted = Wanted(new, against, again, update, junit, markdown)
    verdict = work(wanted, load_policy(policy), Store(store), visible)
    show(verdict, as_json)
    check(verdict)
