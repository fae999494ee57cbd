"""Keeps quiet what libraries log on import and a user can do nothing about: messages known word for word, no others."""

from __future__ import annotations

import logging

KNOWN = {
    # Its CUDA kernels, which are built for one version of torch and which nothing here uses.
    "torchao": ("Failed to load ",),
    # torchao registers two of its own enums in a way that torch will give up.
    "torch.utils._pytree": ("%s is an Enum subclass",),
    # diffusers looks for names that torchao has moved; we load no torchao checkpoints.
    "diffusers.quantizers.torchao.torchao_quantizer": ("Unable to import `torchao` Tensor objects",),
}
"""Logger to the beginnings of the messages that it may not print."""


class _Known(logging.Filter):
    """Drops the messages that begin so."""

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(self._beginnings)


def silence() -> None:
    """Has to be called before the libraries are imported."""
    for name, beginnings in KNOWN.items():
        logging.getLogger(name).addFilter(_Known(beginnings))
