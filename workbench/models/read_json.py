"""JSON files of a model's folder, with one clear sentence where they can't be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.errors import InputError

LARGEST = 100_000_000
"""Bytes; the largest that models bring are tokenizers of about 10 MB."""


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in ``file``.

    Raises:
        InputError: the file is missing or holds something else.
    """
    if file.exists() and not file.is_file():
        raise InputError(f"{file}: is a folder, a device or a pipe; needs a file")
    try:
        if file.exists() and not file.is_file():
            raise InputError(f"{file}: is a folder or device; needs a JSON file")
        if (size := file.stat().st_size) > LARGEST:
            raise InputError(f"{file}: is {size} bytes long; needs a JSON file of at most {LARGEST}")
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: missing") from None
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror})") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: not valid JSON ({error.msg})") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: not text in UTF-8") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of nested lists
        raise InputError(f"{file}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: found a {type(value).__name__}; needs a JSON object")
    return value
