"""Standard streams on which no verb breaks: closed ones, readers that go away, and terminals that show ASCII alone."""

from __future__ import annotations

import io
import os
import sys
from typing import cast


class _Lasting(io.TextIOWrapper):
    """Takes what is written although its reader went away, as ``| head`` does: the verb ends as it would have."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())  # so that nothing that is left in a buffer fails at the end
        os.close(nowhere)


def last() -> None:
    """Makes the standard streams such; characters that an encoding lacks are escaped."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which no other file may take then
        stream = cast(io.TextIOWrapper | None, getattr(sys, name))
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
        elif number:
            encoding, lines = stream.encoding, stream.line_buffering
            setattr(sys, name, _Lasting(stream.detach(), encoding, "backslashreplace", line_buffering=lines))
