"""Drops log messages of libraries that a user can do nothing about: those listed here, no others."""

from __future__ import annotations

import logging

KNOWN = {
    # Its CUDA kernels: built for one version of torch, and unused here.
    "torchao": ("Failed to load ",),
    # torchao registers two of its enums in a way that torch has deprecated.
    "torch.utils._pytree": ("%s is an Enum subclass",),
    # diffusers looks for names that torchao has moved; no torchao checkpoints are loaded here.
    "diffusers.quantizers.torchao.torchao_quantizer": ("Unable to import `torchao` Tensor objects",),
}
"""Logger name to the beginnings of the messages that are dropped."""


class _DropsByPrefix(logging.Filter):
    def __init__(self, prefixes: tuple[str, ...]) -> None:
        super().__init__()
        self._prefixes = prefixes

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self._prefixes)


def silence() -> None:
    """Adds the filters; to be called before the libraries are imported."""
    for name, prefixes in KNOWN.items():
        logging.getLogger(name).addFilter(_DropsByPrefix(prefixes))
