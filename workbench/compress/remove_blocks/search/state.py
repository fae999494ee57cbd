"""What a search has measured so far: one JSON line each, so that a killed search resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.store.files import write_atomic


class Notes:
    """Measurements by name in a file of lines; what is there isn't measured again."""

    def __init__(self, file: Path) -> None:
        """Reads the lines that are whole; a last one that was cut off by a kill is dropped."""
        self._file = file
        self._known: dict[str, Any] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break
            self._known[row["name"]] = row["found"]
        write_atomic(file, "".join(f"{_line(name, value)}\n" for name, value in self._known.items()))

    def get(self, name: str, measure: Callable[[], Any]) -> Any:
        """What is noted under ``name``; else ``measure()`` (plain JSON), noted."""
        if name not in self._known:
            value = measure()
            with self._file.open("a") as lines:
                lines.write(f"{_line(name, value)}\n")
            self._known[name] = value
        return self._known[name]


def _line(name: str, value: Any) -> str:
    return json.dumps({"name": name, "found": value})
