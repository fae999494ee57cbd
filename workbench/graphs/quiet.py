"""Suppresses warnings of exporters and compilers."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses warnings of exporters and compilers; users can do nothing about any of them."""
    names = (
        *("torch", "torch.utils._pytree", "torch.onnx._internal.exporter._registration", "torch._inductor.debug"),
        *("torchao", "diffusers", "onnxscript", "onnx_ir"),
    )
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")  # diffusers sets its log level from it on import
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
