"""The two ways in which workbench ends badly, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterable


class WorkbenchError(Exception):
    """A failure that is told in one message, without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class InputError(WorkbenchError):
    """What the user gave can't be used as it is: recipe, file, option. Nothing was started."""

    exit_code = 2


class RunError(WorkbenchError):
    """The input was sound but the work failed; finished steps are kept and the run can be resumed."""


def nearest(found: str, known: Iterable[str], *, however_far: bool = False) -> str | None:
    """The one of the known words that is most like the one found; None where none is near."""
    import difflib

    near = difflib.get_close_matches(found, list(known), 1, cutoff=0.0 if however_far else 0.6)
    return near[0] if near else None


def did_you_mean(found: str, known: Iterable[str], before: str = "", after: str = "") -> str:
    """The end of a message about a word that isn't known: ``; did you mean NEAREST?``, or nothing where none is near.

    Args:
        found: what the user wrote.
        known: what there is in its place.
        before, after: what the user would have to write around the nearest.
    """
    near = nearest(found, known)
    return "" if near is None else f"; did you mean {before}{near}{after}?"


def unknown(problem: str, found: str, known: Iterable[str], known_as: str = "known") -> InputError:
    """The error of a word that isn't among those known: the problem, the nearest of them, and as a hint all."""
    there = list(known)
    return InputError(f"{problem}{did_you_mean(found, there)}", hint=f"{known_as}: {', '.join(there)}")
