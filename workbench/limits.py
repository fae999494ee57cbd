"""How much memory a run may plan with: read where it is decided how much is done at a time. No result depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LIBRARIES = 900_000_000
"""Bytes that torch, diffusers and ONNX Runtime take, loaded and at work, without any network."""
_MOST: ContextVar[int | None] = ContextVar("most memory", default=None)


@contextmanager
def at_most(memory: int | None) -> Iterator[None]:
    """Plans of at most so many bytes; None: as much as is usual."""
    before = _MOST.set(memory)
    try:
        yield
    finally:
        _MOST.reset(before)


def fitting(usual: int, each: int, besides: int = 0) -> int:
    """How many things of ``each`` bytes are worked on at a time: as many as ``usual`` or as fit, but at least one."""
    most = _MOST.get()
    return usual if most is None else max(1, min(usual, (most - LIBRARIES - besides) // max(each, 1)))


def fits(need: int, most: int | None = None) -> bool:
    """Whether ``need`` bytes may be taken beside the libraries: of what the system has left, and of ``most`` (default:
    what is planned with)."""
    import psutil

    most = most or _MOST.get()
    return need <= psutil.virtual_memory().available and (most is None or need <= most - LIBRARIES)
