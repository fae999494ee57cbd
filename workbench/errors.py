"""The two kinds of failure of workbench, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterable


class WorkbenchError(Exception):
    """A failure that is reported in one message, without a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    @property
    def line(self) -> str:
        """Message and hint in one line, as a part of a longer list of problems."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class InputError(WorkbenchError):
    """The user's input (recipe, file, option) can't be used as it is. Nothing was started."""

    exit_code = 2


class RunError(WorkbenchError):
    """The input was valid but the work failed; finished steps are kept and the run can be resumed."""


class LoadError(RunError):
    """A runtime can't load a network's file. Where that is the user's own it is bad input (``as_input``)."""

    def as_input(self) -> InputError:
        """The same, of a file that the user gave."""
        return InputError(self.message, hint=self.hint)


def nearest(word: str, known: Iterable[str], *, however_far: bool = False) -> str | None:
    """The known word that is most like ``word``; None where none is close."""
    import difflib

    return next(iter(difflib.get_close_matches(word, list(known), 1, cutoff=0.0 if however_far else 0.6)), None)


def did_you_mean(word: str, known: Iterable[str], before: str = "", after: str = "") -> str:
    """The end of a message about an unknown word: ``; did you mean NEAREST?``, or nothing where none is close.

    ``before`` and ``after`` are what the user has to write around the suggestion.
    """
    suggestion = nearest(word, known)
    return "" if suggestion is None else f"; did you mean {before}{suggestion}{after}?"


def unknown(problem: str, word: str, known: Iterable[str], known_as: str = "known") -> InputError:
    """The error about an unknown word: the problem, the nearest known word, and all of them as a hint."""
    words = list(known)
    return InputError(f"{problem}{did_you_mean(word, words)}", hint=f"{known_as}: {', '.join(words)}")
