"""Regular expressions over the paths of layers, as recipes have them: no pattern takes longer than a bounded time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

from workbench.errors import InputError

LONGEST_S = 0.25
"""CPU seconds for all layers together; a family's own pattern takes 0.001 s for 800 layers."""
MOST_COUNTED = 1000
"""Product of all counts such as ``{3}``: the engine copies what is counted."""
_COUNT = re.compile(r"\{(\d*),?(\d*)\}")


def _checked(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression ({error})") from None
    counts = (max(int(count or 1) for count in counted) for counted in _COUNT.findall(pattern))
    if math.prod(max(count, 1) for count in counts) > MOST_COUNTED:
        raise ValueError(f"repeats more than {MOST_COUNTED} times; use *")
    return pattern


Pattern = Annotated[str, Field(max_length=200), AfterValidator(_checked)]


def matching(pattern: str, layers: Iterable[str]) -> list[str]:
    """The layers in whose paths the pattern is found.

    Raises:
        InputError: the pattern backtracks for too long.
    """
    import regex  # the standard library's has no time limit

    compiled, start = regex.compile(pattern), time.process_time()
    found = []
    try:
        for layer in layers:
            left = LONGEST_S - (time.process_time() - start)
            if left <= 0:
                raise TimeoutError
            if compiled.search(layer, timeout=left):
                found.append(layer)
    except TimeoutError:
        hint = "repeat no group that itself repeats: a+ instead of (a+)+"
        raise InputError(f"the pattern {pattern!r} takes too long to match", hint=hint) from None
    return found
