"""``workbench schemes``: which scheme, made by which backend, gains what on which runtime of this machine.

Every cell is measured, or is what a check or a runtime answered when it was asked; none is written down here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, RunError
from workbench.models.sources import base_candidate
from workbench.progress import Progress
from workbench.store.environment import environment
from workbench.store.store import Store
from workbench.verbs.schemes.cells import FAILED, Cell
from workbench.verbs.schemes.pairs import CALIBRATION, Subject, pairs
from workbench.verbs.schemes.table import Table, in_order

if TYPE_CHECKING:
    from workbench.profile.host import Settings

SCHEMA_VERSION = 1
QAT = "QAT leaves the same file as PTQ with other numbers in it: its cells are the same."
HOST = "This machine only; attached devices are measured by workbench profile --target adb."


@dataclass(frozen=True)
class Results:
    """The table: its cells in the order of schemes, backends and runtimes."""

    subject: Subject
    cells: list[Cell]
    settings: Settings
    seconds: float
    component: str

    def as_json(self) -> dict[str, Any]:
        """All of it, with the machine and the libraries."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.subject.model,
            "component": self.component,
            "where": HOST,
            "method": QAT,
            "calibration": dict(CALIBRATION),
            "threads": self.settings.threads,
            "iterations": self.settings.iterations,
            "seed": self.subject.seed,
            "seconds": round(self.seconds, 1),
            "environment": environment(),
            "cells": self.cells,
        }


def schemes(
    subject: Subject, only: Sequence[str], settings: Settings, rerun: bool, store: Store, progress: Progress
) -> Results:
    """The table for the U-Net of a model: cells from the store, the others measured.

    Args:
        subject: of what.
        only: schemes.
        settings: how to measure; all runtimes are subject, whichever the settings name.
        rerun: measures again the cells that the store has; quantized files are kept.
        store: where files and cells are kept.
        progress: told of quantized files and measured cells.

    Raises:
        InputError: the model or the prompts can't be used.
    """
    start = time.monotonic()
    with store.lock():
        base = base_candidate(subject.model, store)
        _check_prompts(subject, base.source)
        wanted = pairs(only)
        cells = Table(subject, base, settings, store).fill(wanted, rerun, progress)
    return Results(subject, in_order(wanted, cells), settings, time.monotonic() - start, base.family.denoiser.name)


def _check_prompts(subject: Subject, source: Any) -> None:
    from workbench.data.captioned import captions
    from workbench.data.lines import prompts_problem

    hint = "name a text file of prompts, one a line: --prompts FILE"
    if subject.prompts is None:
        try:
            known = captions(None, source)
        except InputError:
            known = []
        if not known:
            raise InputError(f"{subject.model}: brings no captions to calibrate with", hint=hint)
    elif problem := prompts_problem(subject.prompts):
        raise InputError(f"--prompts: found {str(subject.prompts)!r}, {problem}")


def check(table: Results) -> None:
    """Ends the command with a failure where a cell failed; the table is printed by then.

    Raises:
        RunError: some cell failed.
    """
    bad = [cell for cell in table.cells if cell["outcome"] == FAILED]
    if bad:
        cells = ", ".join(f"{c['scheme']} by {c['backend']} on {c['runtime']}" for c in bad)
        raise RunError(f"{len(bad)} of {len(table.cells)} cells failed: {cells}", hint="the same call tries them again")
