"""The two ways in which workbench ends badly, each with its exit code."""

from __future__ import annotations


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
